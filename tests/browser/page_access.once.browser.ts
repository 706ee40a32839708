/** What axe-core finds on the chat page's screens: WCAG 2.1, levels A and AA. Run by scripts/ok.ts alone. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import axe from "axe-core";
import { ChatStand } from "./chat_stand.ts";
import { ChatTab } from "./chat_tab.ts";

let stand: ChatStand;

beforeAll(async () => {
  stand = await ChatStand.start();
}, 60_000);

afterAll(() => stand?.[Symbol.asyncDispose](), 30_000);

/** `rule: element` for each problem. */
async function problemsOf(tab: ChatTab): Promise<string[]> {
  await tab.page.evaluate(axe.source);
  return await tab.page.evaluate<string[]>(`(async () => {
    const only = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"];
    const { violations } = await axe.run(document, { runOnly: { type: "tag", values: only } });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => id + ": " + html.slice(0, 200)));
  })()`);
}

const LOOKS = [
  { colorScheme: "light", locale: "en-GB", viewport: { width: 1280, height: 800 } },
  { colorScheme: "dark", locale: "zh-CN", viewport: { width: 390, height: 844 } },
] as const;

test.each(LOOKS)("the screens are accessible, $colorScheme, $locale", async (look) => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext({ ...look, reducedMotion: "reduce" });
  const login = await ChatTab.open(context, stand.server.http);
  await login.is("login");
  expect(await problemsOf(login)).toEqual([]);
  await login.part("login-submit").click();
  expect(await problemsOf(login)).toEqual([]);

  await using other = await stand.client(bob);
  await using carol = await stand.client(`${ann}-carol`);
  const tab = await stand.open(context, ann, bob);
  expect(await problemsOf(tab)).toEqual([]);
  await other.talk(ann, "hello, see https://example.com").done;
  await carol.talk(ann, "unread").done;
  await tab.shows(["hello, see https://example.com"]);
  await tab.say("hello yourself");
  await tab.shows(["hello, see https://example.com", "hello yourself"]);
  expect(await problemsOf(tab)).toEqual([]);

  if (await tab.part("back").isVisible()) await tab.part("back").click();
  await tab.part("new-group").click();
  await tab.part("group-name").fill("Lunch");
  await tab.part("group-members").fill(`${bob}, no|name`);
  expect(await problemsOf(tab)).toEqual([]);
  await tab.part("group-members").fill(`${ann}-carol`);
  await tab.part("group-create").click();
  await tab.page.waitForURL(/group=/);
  const group = new URL(tab.page.url()).searchParams.get("group") ?? "";
  await other.talk(group, "hello everybody", { group: true }).done;
  await other.groups.join(group, `${ann}-dan`);
  await tab.shows(["hello everybody"]);
  await tab.part("notice").waitFor();
  await tab.part("members").click();
  await tab.part("member").nth(3).waitFor();
  expect(await problemsOf(tab)).toEqual([]);
  await tab.part("leave-group").click();
  expect(await problemsOf(tab)).toEqual([]);
  await tab.part("confirm-yes").click();
  await tab.part("composer-shut").waitFor();
  expect(await problemsOf(tab)).toEqual([]);
  if (await tab.part("back").isVisible()) await tab.part("back").click();
  await tab.page.locator(`[data-testid=conversation][data-peer="${bob}"]`).click();
  await tab.shows(["hello, see https://example.com", "hello yourself"]);

  await stand.server.kill();
  await tab.is("offline");
  await tab.say("into the void");
  expect(await problemsOf(tab)).toEqual([]);
  await stand.server.start();
  await tab.is("online");

  await using thief = await stand.client(ann, await tab.part("fact-device").textContent() ?? "");
  await tab.is("closed");
  expect(await problemsOf(tab)).toEqual([]);
  expect(thief.state).toBe("online");
  expect([login.complaints, tab.complaints]).toEqual([[], []]);
}, 60_000);
