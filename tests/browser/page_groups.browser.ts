/** Groups and unread counts on the chat page, as people use them. Run by scripts/ok.ts alone. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ChatStand } from "./chat_stand.ts";
import { ChatTab } from "./chat_tab.ts";
import { until } from "./until.ts";

let stand: ChatStand;

beforeAll(async () => {
  stand = await ChatStand.start({ env: { PETREL_INBOX_GROUP: "3" } }); // a group of four is a large one
}, 60_000);

afterAll(() => stand?.[Symbol.asyncDispose](), 30_000);

async function title(tab: ChatTab, wanted: string): Promise<void> {
  await until(`the title is ${wanted}`, () => tab.page.title(), (text) => text === wanted);
}

async function notices(tab: ChatTab, wanted: readonly string[]): Promise<void> {
  const ask = () => tab.part("notice").allTextContents();
  await until(`the notices are ${wanted}`, ask, (texts) => JSON.stringify(texts) === JSON.stringify(wanted));
}

/** Makes a group in the page, with the keyboard alone; gives its id. */
async function create(tab: ChatTab, name: string, members: readonly string[]): Promise<string> {
  const { keyboard } = tab.page;
  await tab.part("new-group").press("Enter");
  await keyboard.insertText(name);
  await keyboard.press("Tab");
  for (const member of members) {
    await keyboard.insertText(member);
    await keyboard.press("Enter");
  }
  expect(await tab.part("chip").count()).toBe(new Set(members).size);
  await keyboard.press("Enter");
  await tab.page.waitForURL(/group=/);
  expect((await tab.focused()).name).toBe("composer");
  return new URL(tab.page.url()).searchParams.get("group") ?? "";
}

test("three people talk in a group, a fourth sees what is said from then on, one leaves, one is put out", async () => {
  const [ann, bob] = stand.pair();
  const [cat, dan] = [`${ann}-cat`, `${ann}-dan`];
  await using annHere = await stand.browser.newContext();
  await using bobHere = await stand.browser.newContext();
  await using catHere = await stand.browser.newContext();
  await using danHere = await stand.browser.newContext();
  const one = await stand.open(annHere, ann, bob);
  const two = await stand.open(bobHere, bob, ann);
  const three = await stand.open(catHere, cat, ann);
  const four = await stand.open(danHere, dan, ann);

  const name = "Lunch <b>& more</b> \u202eevil";
  const id = await create(one, name, [bob, cat, bob]);
  expect(await one.part("chip").count()).toBe(0);
  for (const tab of [one, two, three]) {
    await tab.line(id).click();
    await until("the group is called so", () => tab.part("thread-name").textContent(), (text) => text === name);
    expect(await tab.part("members").textContent()).toBe("3");
  }
  await one.say("hello");
  await two.shows(["hello"]);
  await two.say("hello yourself");
  for (const tab of [one, two, three]) await tab.shows(["hello", "hello yourself"]);
  expect(await three.part("sender-name").allTextContents()).toEqual([ann, bob]);
  expect(await one.part("sender-name").allTextContents()).toEqual([bob]);

  await two.part("members").click();
  await two.members([ann, bob, cat]);
  await two.part("add-member").fill("no name");
  await two.part("add-member").press("Enter");
  await until("a name is refused", () => two.part("members-problem").textContent(), (text) => text !== "");
  await two.part("add-member").fill(dan);
  await two.part("add-member").press("Enter");
  await two.members([ann, bob, cat, dan]);
  for (const tab of [one, three]) await notices(tab, [`${dan} joined`]);
  await four.line(id).click();
  await one.say("welcome");
  await four.shows(["welcome"]);
  expect(await four.part("beginning").count()).toBe(1); // what was said before is not for him

  await four.part("members").click();
  await four.members([ann, bob, cat, dan]);
  expect(await four.part("remove-member").count()).toBe(0);
  await four.part("leave-group").click();
  await four.part("confirm-no").click();
  expect(await four.part("composer").isVisible()).toBe(true);
  await four.part("leave-group").click();
  await four.part("confirm-yes").click();
  await four.part("composer-shut").waitFor();
  expect(await four.part("composer").isVisible()).toBe(false);

  await one.part("members").click();
  await one.members([ann, bob, cat]);
  await one.page.keyboard.press("Escape");
  expect([await one.part("members-panel").count(), (await one.focused()).name]).toEqual([0, "members"]);
  await one.page.keyboard.press("Enter");
  await one.members([ann, bob, cat]);
  await one.part("member").filter({ hasText: cat }).hover();
  await one.part("member").filter({ hasText: cat }).getByTestId("remove-member").click();
  await one.part("confirm-yes").click();
  await three.part("composer-shut").waitFor();
  await one.members([ann, bob]);
  await one.say("just us");
  await two.shows(["hello", "hello yourself", "welcome", "just us"]);
  await three.shows(["hello", "hello yourself", "welcome"]);
  for (const tab of [three, four]) {
    await tab.page.reload();
    await tab.is("online");
    await tab.part("composer-shut").waitFor();
    expect(await tab.part("thread-name").textContent()).toBe(name);
  }
  await three.shows(["hello", "hello yourself", "welcome"]);
  await four.shows(["welcome"]);
  await four.part("join-group").click();
  await four.say("back again");
  await two.shows(["hello", "hello yourself", "welcome", "just us", "back again"]);
  await four.shows(["welcome", "back again"]); // not what was said while he was away
  await four.page.reload();
  await four.shows(["welcome", "back again"]);
  for (const tab of [one, two, three, four]) expect(tab.complaints).toEqual([]);
}, 60_000);

test("unread counts rise and clear on both devices of an account, and survive a reload and a restart", async () => {
  const [ann, bob] = stand.pair();
  await using annHere = await stand.browser.newContext();
  await using annThere = await stand.browser.newContext();
  const one = await stand.open(annHere, ann, `${bob}-other`);
  const two = await stand.open(annThere, ann, `${bob}-other`);
  await using other = await stand.client(bob);
  const id = await other.groups.create({ name: "Count me", members: [ann] });
  for (const tab of [one, two]) await tab.line(id).waitFor();
  for (const text of ["a", "b", "c"]) await other.talk(id, text, { group: true }).done;
  await other.talk(ann, "psst").done;
  for (const tab of [one, two]) {
    await tab.unread(id, 3);
    await tab.unread(bob, 1);
    await title(tab, `(4) ${ann} · Petrel`);
  }
  await one.page.reload();
  await one.is("online");
  await one.unread(id, 3);
  await one.line(id).click();
  await one.shows(["a", "b", "c"]);
  for (const tab of [one, two]) {
    await tab.unread(id, 0);
    await title(tab, `(1) ${ann} · Petrel`);
  }
  await other.talk(id, "seen at once", { group: true }).done;
  await one.shows(["a", "b", "c", "seen at once"]);
  await two.unread(id, 0);

  // A tab that is in the background reads nothing.
  await one.page.evaluate(
    `Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true })`,
  );
  await other.talk(id, "while away", { group: true }).done;
  for (const tab of [one, two]) await tab.unread(id, 1);
  await stand.server.stop();
  await stand.server.start();
  for (const tab of [one, two]) await tab.tryNow();
  for (const tab of [one, two]) await tab.is("online");
  await until("the other one is back", () => other.state, (state) => state === "online");
  await other.talk(id, "after the restart", { group: true }).done;
  for (const tab of [one, two]) await tab.unread(id, 2);
  await two.page.reload();
  await two.unread(id, 2);
  await two.unread(bob, 1);
  await one.page.evaluate(`delete document.visibilityState; document.dispatchEvent(new Event("visibilitychange"))`);
  for (const tab of [one, two]) await tab.unread(id, 0);

  await using fresh = await stand.browser.newContext();
  const third = await stand.open(fresh, ann, `${bob}-other`);
  await third.unread(bob, 1);
  await third.unread(id, 0);
  await third.line(id).click();
  await third.shows(["a", "b", "c", "seen at once", "while away", "after the restart"]);
  await third.unread(bob, 1);
  for (const tab of [one, two, third]) expect(tab.complaints).toEqual([]);
}, 60_000);
