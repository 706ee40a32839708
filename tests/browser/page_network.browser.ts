/** The chat page in a real browser, while networks and servers fail. Run by scripts/ok.ts alone. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cp, readFile, symlink, writeFile } from "node:fs/promises";
import { ROOT } from "../support/processes.ts";
import { tempDir } from "../support/temp.ts";
import { ChatStand } from "./chat_stand.ts";
import { ChatTab } from "./chat_tab.ts";
import { until } from "./until.ts";

let stand: ChatStand;

beforeAll(async () => {
  stand = await ChatStand.start();
}, 60_000);

afterAll(() => stand?.[Symbol.asyncDispose](), 30_000);

test("what is said without a network waits, and goes out once when it is back", async () => {
  const [ann, bob] = stand.pair();
  await using away = await stand.browser.newContext();
  await using home = await stand.browser.newContext();
  const one = await stand.open(away, ann, bob);
  const two = await stand.open(home, bob, ann);
  await one.say("before");
  await two.shows(["before"]);
  await away.setOffline(true);
  await one.say("while away");
  await two.say("are you there?");
  expect((await one.shown()).at(-1)).toEqual({ text: "while away", own: true, state: "sending" });
  await one.is("offline");
  expect(await one.part("offline-banner").isVisible()).toBe(true);
  await away.setOffline(false);
  await one.is("online");
  // Both were said while the other could not hear: the server says which came first.
  const [atOne, atTwo] = await Promise.all(
    [one, two].map((tab) =>
      until(
        "all three are there",
        () => tab.shown(),
        (shown) => shown.filter(({ state }) => state !== "sending").length === 3,
      )
    ),
  );
  expect(atOne!.map(({ text }) => text)).toEqual(["before", "are you there?", "while away"]);
  expect(atTwo!.map(({ text }) => text)).toEqual(["before", "are you there?", "while away"]);
  expect(await one.part("offline-banner").isVisible()).toBe(false);
  for (const tab of [one, two]) expect(tab.complaints).toEqual([]);
}, 60_000);

test.each([["stop"], ["kill"]] as const)(
  "a server that ends by %s and comes back is rejoined by open pages",
  async (end) => {
    const [ann, bob] = stand.pair();
    await using here = await stand.browser.newContext();
    await using there = await stand.browser.newContext();
    const one = await stand.open(here, ann, bob);
    const two = await stand.open(there, bob, ann);
    const said: string[] = [];
    for (let round = 1; round <= 2; round++) {
      await one.say(`before ${round}`);
      said.push(`before ${round}`);
      await two.shows(said);
      await stand.server[end]();
      await Promise.all([one.is("offline"), two.is("offline")]);
      await one.say(`while it is away ${round}`);
      said.push(`while it is away ${round}`);
      await stand.server.start();
      await one.tryNow();
      await Promise.all([one.shows(said), two.shows(said)]);
      await Promise.all([one.is("online"), two.is("online")]);
    }
    for (const tab of [one, two]) expect(tab.complaints).toEqual([]);
  },
  60_000,
);

test("a page that waited in vain and is reloaded says what it had to say", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  const tab = await stand.open(context, ann, bob);
  await tab.say("before");
  await tab.shows(["before"]);
  await stand.server.kill();
  await tab.is("offline");
  await tab.say("kept");
  await stand.server.start();
  await tab.page.reload();
  await tab.is("online");
  await tab.shows(["before", "kept"]);
  await using other = await stand.client(bob);
  const heard: string[] = [];
  other.onMessage(({ body }) => void heard.push(body));
  await until("the other side has both", () => heard, () => heard.length >= 2);
  expect(heard).toEqual(["before", "kept"]);
  expect(tab.complaints).toEqual([]);
}, 60_000);

test("after an upgrade of the server open pages go on, and new ones are of the new version", async () => {
  await using upgraded = await tempDir();
  await cp(`${ROOT}src`, upgraded.in("src"), { recursive: true });
  for (const name of ["node_modules", "deno.json", "deno.lock"]) await symlink(`${ROOT}${name}`, upgraded.in(name));
  const manifest = JSON.parse(await readFile(`${ROOT}package.json`, "utf8"));
  await writeFile(upgraded.in("package.json"), JSON.stringify({ ...manifest, version: "99.0.0" }));
  await writeFile(upgraded.in("src/web/page.css"), await readFile(`${ROOT}src/web/page.css`, "utf8") + "\n/* new */\n");

  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  const old = await stand.open(context, ann, bob);
  const version = (tab: ChatTab) => tab.page.locator("body").getAttribute("data-version");
  const oldVersion = await version(old);
  await old.say("before");
  await old.shows(["before"]);
  await stand.server.stop();
  await old.is("offline");
  await stand.server.start(`${upgraded.path}/`);
  await old.tryNow();
  await old.is("online");
  await old.say("after");
  await old.shows(["before", "after"]);
  const fresh = await stand.open(context, bob, ann);
  await fresh.shows(["before", "after"]);
  expect([oldVersion, await version(old), await version(fresh)]).toEqual([
    manifest.version,
    manifest.version,
    "99.0.0",
  ]);
  for (const tab of [old, fresh]) expect(tab.complaints).toEqual([]);
  await stand.server.stop();
  await stand.server.start();
}, 60_000);
