/** What was said before, on the chat page: fetched as one scrolls, or found in the browser. Run by scripts/ok.ts alone. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { PetrelClient } from "../../src/sdk/mod.ts";
import { ChatStand } from "./chat_stand.ts";
import type { ChatTab } from "./chat_tab.ts";
import { until } from "./until.ts";

let stand: ChatStand;

beforeAll(async () => {
  stand = await ChatStand.start({ env: { PETREL_INBOX_GROUP: "3" } }); // a group of four is a large one
}, 60_000);

afterAll(() => stand?.[Symbol.asyncDispose](), 30_000);

async function sayAll(client: PetrelClient, dest: string, count: number, group: boolean): Promise<string[]> {
  const texts = Array.from({ length: count }, (_, i) => `message ${i + 1}`);
  for (let i = 0; i < count; i += 100) {
    await Promise.all(texts.slice(i, i + 100).map((text) => client.talk(dest, text, { group }).done));
  }
  return texts;
}

/** Scrolls up to the beginning: exactly these texts come by, all different, in this order. Then down again. */
async function showsAll(tab: ChatTab, texts: readonly string[]): Promise<void> {
  let seen: string[] = [];
  const scrollTo = (top: number) => tab.part("message-list").evaluate((node, top) => node.scrollTop = top, top);
  await until(
    "the beginning",
    async () => {
      await scrollTo(0);
      const isAll = await tab.part("beginning").count() === 1 && await tab.part("history-more").count() === 0;
      const shown = (await tab.shown()).map(({ text }) => text);
      const known = seen.length === 0 ? shown.length : shown.indexOf(seen[0]!);
      expect(known).toBeGreaterThanOrEqual(0); // what is shown overlaps with what was shown before
      seen = [...shown.slice(0, known), ...seen];
      return isAll;
    },
    (is) => is,
  );
  expect(seen).toEqual([...texts]);
  const newest = async () => {
    await scrollTo(1e9);
    return (await tab.shown()).at(-1)?.text;
  };
  await until("the newest again", newest, (text) => text === texts.at(-1));
}

test("a new browser shows what was said before it came: with a person, in a group and in a large one", async () => {
  const [ann, bob] = stand.pair();
  await using other = await stand.client(bob);
  const small = await other.groups.create({ name: "Small", members: [ann] });
  const crowd = Array.from({ length: 118 }, (_, i) => `${bob}-${i}`);
  const large = await other.groups.create({ name: "Large", members: [ann, ...crowd] });
  const said = [
    { peer: small, texts: await sayAll(other, small, 130, true) },
    { peer: large, texts: await sayAll(other, large, 310, true) },
    { peer: bob, texts: await sayAll(other, ann, 310, false) },
  ];

  await using context = await stand.browser.newContext();
  const tab = await stand.open(context, ann, `${bob}-other`);
  // A new device gets its whole inbox, which a large group's messages are not in.
  await until("the inbox is here", () => tab.part("fact-inbox").textContent(), (text) => text === "440");
  for (const { peer, texts } of said) {
    await tab.unread(peer, texts.length);
    await tab.line(peer).click();
    await until("the newest is shown", () => tab.shown(), (shown) => shown.at(-1)?.text === texts.at(-1));
    await tab.unread(peer, 0);
    await showsAll(tab, texts);
    if (peer !== large) continue;
    await tab.part("members").click();
    await tab.members([bob, ann, ...crowd.slice(0, 98)]);
    await tab.part("members-more").click();
    await tab.members([bob, ann, ...crowd]);
  }
  await tab.part("message-list").evaluate((node) => node.scrollTop = 0);
  await tab.part("new-messages").waitFor();
  await other.talk(ann, "and now").done;
  const news = () => tab.part("new-messages").textContent();
  await until("what comes now is counted", news, (text) => text === "1 new message");
  await tab.part("new-messages").click();
  await until("the newest is shown", () => tab.shown(), (shown) => shown.at(-1)?.text === "and now");

  // The archive is lost, the place in the inbox is not: nothing comes by itself.
  await tab.page.evaluate(`indexedDB.deleteDatabase("petrel-page:${ann}")`);
  await tab.page.reload();
  await until("the newest is shown", () => tab.shown(), (shown) => shown.at(-1)?.text === "and now");
  expect((await tab.shown()).length).toBeLessThan(300); // the others come when one asks for them
  await showsAll(tab, [...said[2]!.texts, "and now"]);
  await tab.page.reload();
  await showsAll(tab, [...said[2]!.texts, "and now"]);
  expect(tab.complaints).toEqual([]);
}, 60_000);

test("an archive of the page before there were groups is taken over", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  const page = await context.newPage();
  await page.goto(`${stand.server.http}/health`);
  await page.evaluate(`new Promise((resolve, reject) => {
    const request = indexedDB.open("petrel-page:${ann}", 1);
    request.onerror = reject;
    request.onupgradeneeded = () => {
      request.result.createObjectStore("entries", { keyPath: "key" }).createIndex("timeMs", "timeMs");
      request.result.createObjectStore("read");
    };
    request.onsuccess = () => {
      const tx = request.result.transaction(["entries", "read"], "readwrite");
      const texts = { body: "from before", extra: "", sender: "${bob}", conversation: "user:${bob}", messageId: "7" };
      tx.objectStore("entries").put({ key: "m:7", own: false, type: 1, timeMs: 1e12, seq: 1, state: "received", ...texts });
      tx.objectStore("read").put(1, "user:${bob}");
      tx.oncomplete = () => { request.result.close(); resolve(); };
    };
  })`);
  const tab = await stand.open(context, ann, bob);
  await tab.shows(["from before"]);
  await using other = await stand.client(bob);
  const id = await other.groups.create({ name: "After", members: [ann] });
  await tab.line(id).click();
  await tab.say("hello");
  await tab.shows(["hello"]);
  await tab.page.reload();
  await tab.shows(["hello"]);
  await tab.unread(bob, 0);
  await tab.unread(id, 0);
  expect([tab.complaints, await tab.part("storage-notice").isVisible()]).toEqual([[], false]);
}, 30_000);
