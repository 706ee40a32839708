/** The chat page in a real browser, as people use it. Run by scripts/ok.ts alone. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ChatStand } from "./chat_stand.ts";
import { ChatTab } from "./chat_tab.ts";
import { until } from "./until.ts";

const PHONE = { viewport: { width: 390, height: 844 } };

let stand: ChatStand;

beforeAll(async () => {
  stand = await ChatStand.start();
}, 60_000);

afterAll(() => stand?.[Symbol.asyncDispose](), 30_000);

test("two people talk, and a third one's messages are counted", async () => {
  const [ann, bob] = stand.pair();
  await using here = await stand.browser.newContext();
  await using there = await stand.browser.newContext();
  const one = await stand.open(here, ann, bob);
  const two = await stand.open(there, bob, ann);
  await one.say("hello");
  await two.shows(["hello"]);
  await two.say("hello yourself");
  expect(await one.shows(["hello", "hello yourself"])).toEqual([
    { text: "hello", own: true, state: "durable" },
    { text: "hello yourself", own: false, state: "received" },
  ]);
  expect(await two.shows(["hello", "hello yourself"])).toEqual([
    { text: "hello", own: false, state: "received" },
    { text: "hello yourself", own: true, state: "durable" },
  ]);

  await using carol = await stand.client(`${ann}-carol`);
  for (const text of ["psst", "are you there?"]) await carol.talk(ann, text).done;
  const line = one.page.locator(`[data-testid=conversation][data-peer="${ann}-carol"]`);
  await until("two are unread", () => line.getAttribute("data-unread").catch(() => null), (count) => count === "2");
  expect(await one.page.title()).toBe(`(2) ${ann} · Petrel`);
  await line.click();
  await one.shows(["psst", "are you there?"]);
  await until("none is unread", () => one.page.title(), (title) => title === `${ann} · Petrel`);
  for (const tab of [one, two]) expect(tab.complaints).toEqual([]);
}, 30_000);

test("everything can be done with the keyboard alone", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  await using other = await stand.client(bob);
  const heard: string[] = [];
  other.onMessage(({ body }) => void heard.push(body));
  const tab = await ChatTab.open(context, stand.server.http);
  const { keyboard } = tab.page;
  await tab.is("login");
  await keyboard.type(ann);
  await keyboard.press("Tab");
  await keyboard.type(bob);
  await keyboard.press("Enter");
  await tab.is("online");
  await keyboard.type("one");
  await keyboard.press("Shift+Enter");
  await keyboard.type("two");
  await keyboard.press("Enter");
  await keyboard.type("three");
  await keyboard.press("Enter");
  await tab.shows(["one\ntwo", "three"]);
  await until("the other side has both", () => heard, () => heard.length === 2);
  expect(heard).toEqual(["one\ntwo", "three"]);

  const walked: string[] = [];
  for (let step = 0; step < 30 && !walked.includes("sign-out"); step++) {
    await keyboard.press("Tab");
    const { name, ring } = await tab.focused();
    if (name === "BODY") continue; // past the last one, where the browser's own buttons would be
    walked.push(name);
    expect({ name, ring }).toEqual({ name, ring: true });
  }
  expect(walked).toEqual(expect.arrayContaining(["new-chat", "conversation", "lang", "theme", "sign-out"]));
  await keyboard.press("Enter");
  await tab.is("login");
  expect(tab.complaints).toEqual([]);
}, 30_000);

test("a reload keeps the conversation", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  await using other = await stand.client(bob);
  const tab = await stand.open(context, ann, bob);
  const said: string[] = [];
  for (let round = 1; round <= 3; round++) {
    await tab.say(`mine ${round}`);
    said.push(`mine ${round}`);
    await tab.shows(said);
    await other.talk(ann, `theirs ${round}`).done;
    said.push(`theirs ${round}`);
    await tab.shows(said);
    await tab.page.reload();
    await tab.is("online");
    await tab.shows(said);
  }
  expect(tab.complaints).toEqual([]);
}, 30_000);

test("two tabs of one account, and another browser, show everything once", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  await using elsewhere = await stand.browser.newContext();
  await using other = await stand.client(bob);
  const tabs = [
    await stand.open(context, ann, bob),
    await stand.open(context, ann, bob),
    await stand.open(elsewhere, ann, bob),
  ];
  const devices = await Promise.all(tabs.map((tab) => tab.part("fact-device").textContent()));
  expect(new Set(devices).size).toBe(3);
  const said: string[] = [];
  for (const [index, tab] of tabs.entries()) {
    await tab.say(`from tab ${index}`);
    said.push(`from tab ${index}`);
    await tab.shows(said);
    await other.talk(ann, `answer ${index}`).done;
    said.push(`answer ${index}`);
    for (const each of tabs) await each.shows(said);
  }
  await tabs[1]!.page.close();
  await tabs[0]!.page.reload();
  await tabs[0]!.shows(said);
  for (const tab of tabs) expect(tab.complaints).toEqual([]);
}, 30_000);

test("a second login with the same device ends the first, which can take it back", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  const tab = await stand.open(context, ann, bob);
  await tab.say("before");
  await tab.shows(["before"]);
  const device = await tab.part("fact-device").textContent() ?? "";
  await using thief = await stand.client(ann, device);
  await tab.is("closed");
  expect(await tab.part("kicked-notice").isVisible()).toBe(true);
  await tab.part("kicked-notice").getByRole("button").click();
  await tab.is("online");
  await until("the other one is out", () => thief.state, (state) => state === "closed");
  await tab.say("after");
  await tab.shows(["before", "after"]);
  expect(await tab.part("kicked-notice").isVisible()).toBe(false);
  expect(tab.complaints).toEqual([]);
}, 30_000);

test("hostile texts are shown as texts and break nothing, on a phone too", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext(PHONE);
  await using other = await stand.client(bob);
  const tab = await stand.open(context, ann, bob);
  const texts = [
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    '"><svg onload=alert(3)>',
    "javascript:alert(4) http://x.example/'onmouseover='alert(5)",
    "\u202edesrever\u202c \u2066\u200f",
    "\u0000\u0007\u001b[2J\u2028\u2029end",
    "مرحبا https://example.com/%E2%80%AE",
    "w".repeat(5_000),
    "😀".repeat(5_000),
    "🏳️‍🌈".repeat(800),
    "Z̴̢̨̛̫͍̖̪͇̞̮̑̀̓͊̓̚͝͝".repeat(50),
    "\n".repeat(2_000) + "end",
  ];
  for (const text of texts) await other.talk(ann, text).done;
  await tab.shows(texts);
  const { viewport } = PHONE;
  const tooWide = () =>
    tab.page.locator("html").evaluate((page, most) => {
      const wide = [...page.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > most);
      return [...wide.map((one) => `${one.tagName}.${one.className}`), ...(page.scrollWidth > most ? ["page"] : [])];
    }, viewport.width);
  expect(await tooWide()).toEqual([]);
  expect(await tab.part("composer").isVisible()).toBe(true);

  const name = "<b>\u202e" + "w".repeat(46);
  const group = await other.groups.create({ name, members: [ann, "w".repeat(60)] });
  await other.groups.join(group, "\u202e" + "x".repeat(59));
  await other.talk(group, texts[0]!, { group: true }).done;
  await tab.part("back").click();
  expect(await tooWide()).toEqual([]);
  await tab.part("conversation").filter({ hasText: "<b>" }).click();
  await tab.shows([texts[0]!]);
  expect(await tab.part("thread-name").textContent()).toBe(name);
  await tab.part("members").click();
  await tab.part("member").nth(3).waitFor();
  expect(await tooWide()).toEqual([]);
  await tab.part("leave-group").click();
  expect(await tooWide()).toEqual([]);
  expect(tab.complaints).toEqual([]);
}, 30_000);

test.each([[-3_600_000], [3_600_000]])("a clock that is wrong by %d ms changes no order", async (wrongMs) => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  await context.addInitScript(`const now = Date.now; Date.now = () => now() + ${wrongMs};`);
  await using other = await stand.client(bob);
  const tab = await stand.open(context, ann, bob);
  const said: string[] = [];
  for (let round = 1; round <= 2; round++) {
    await tab.say(`mine ${round}`);
    said.push(`mine ${round}`);
    await tab.shows(said);
    await other.talk(ann, `theirs ${round}`).done;
    said.push(`theirs ${round}`);
    await tab.shows(said);
  }
  await tab.page.reload();
  await tab.shows(said);
  expect(tab.complaints).toEqual([]);
}, 30_000);

test("where storage is denied the page says so and goes on", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  await context.addInitScript(`
    const deny = () => { throw new DOMException("denied", "SecurityError"); };
    indexedDB.open = deny;
    for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(globalThis, name, { get: deny });
  `);
  await using other = await stand.client(bob);
  const tab = await stand.open(context, ann, bob);
  await tab.part("storage-notice").waitFor();
  await tab.say("hello");
  await tab.shows(["hello"]);
  await other.talk(ann, "hello yourself").done;
  await tab.shows(["hello", "hello yourself"]);
  await tab.part("storage-notice").getByRole("button").click();
  expect(await tab.part("storage-notice").isVisible()).toBe(false);
  await tab.page.reload(); // what was said is on the server
  await tab.shows(["hello", "hello yourself"]);
  expect(tab.complaints).toEqual([]);
}, 30_000);
