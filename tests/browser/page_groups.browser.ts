/** Groups, unread counts and history on the chat page, as people use them. Run by scripts/ok.ts alone. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { PetrelClient } from "../../src/sdk/mod.ts";
import { ChatStand } from "./chat_stand.ts";
import { ChatTab } from "./chat_tab.ts";
import { until } from "./until.ts";

let stand: ChatStand;

beforeAll(async () => {
  stand = await ChatStand.start({ env: { PETREL_INBOX_GROUP: "3" } }); // a group of four is a large one
}, 60_000);

afterAll(() => stand?.[Symbol.asyncDispose](), 30_000);

/** The list's line of a conversation. */
function line(tab: ChatTab, peer: string) {
  return tab.page.locator(`[data-testid=conversation][data-peer="${peer}"]`);
}

/** Waits until so many are unread there. */
async function unread(tab: ChatTab, peer: string, count: number): Promise<void> {
  const ask = () => line(tab, peer).getAttribute("data-unread", { timeout: 1_000 }).catch(() => null);
  await until(`${count} of ${peer} are unread`, ask, (text) => text === String(count));
}

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

async function memberNames(tab: ChatTab): Promise<string[]> {
  return await tab.part("member").evaluateAll((nodes) => nodes.map((node) => node.getAttribute("data-account") ?? ""));
}

async function membersAre(tab: ChatTab, wanted: readonly string[]): Promise<void> {
  await until(`the members are ${wanted}`, () => memberNames(tab), (names) => names.join() === wanted.join());
}

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
    await line(tab, id).click();
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
  await membersAre(two, [ann, bob, cat]);
  await two.part("add-member").fill("no name");
  await two.part("add-member").press("Enter");
  await until("a name is refused", () => two.part("members-problem").textContent(), (text) => text !== "");
  await two.part("add-member").fill(dan);
  await two.part("add-member").press("Enter");
  await membersAre(two, [ann, bob, cat, dan]);
  for (const tab of [one, three]) await notices(tab, [`${dan} joined`]);
  await line(four, id).click();
  await one.say("welcome");
  await four.shows(["welcome"]);
  expect(await four.part("beginning").count()).toBe(1); // what was said before is not for him

  await four.part("members").click();
  await membersAre(four, [ann, bob, cat, dan]);
  expect(await four.part("remove-member").count()).toBe(0);
  await four.part("leave-group").click();
  await four.part("confirm-no").click();
  expect(await four.part("composer").isVisible()).toBe(true);
  await four.part("leave-group").click();
  await four.part("confirm-yes").click();
  await four.part("composer-shut").waitFor();
  expect(await four.part("composer").isVisible()).toBe(false);

  await one.part("members").click();
  await membersAre(one, [ann, bob, cat]);
  await one.page.keyboard.press("Escape");
  expect([await one.part("members-panel").count(), (await one.focused()).name]).toEqual([0, "members"]);
  await one.page.keyboard.press("Enter");
  await membersAre(one, [ann, bob, cat]);
  await one.part("member").filter({ hasText: cat }).hover();
  await one.part("member").filter({ hasText: cat }).getByTestId("remove-member").click();
  await one.part("confirm-yes").click();
  await three.part("composer-shut").waitFor();
  await membersAre(one, [ann, bob]);
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
  for (const tab of [one, two]) await line(tab, id).waitFor();
  for (const text of ["a", "b", "c"]) await other.talk(id, text, { group: true }).done;
  await other.talk(ann, "psst").done;
  for (const tab of [one, two]) {
    await unread(tab, id, 3);
    await unread(tab, bob, 1);
    await title(tab, `(4) ${ann} · Petrel`);
  }
  await one.page.reload();
  await one.is("online");
  await unread(one, id, 3);
  await line(one, id).click();
  await one.shows(["a", "b", "c"]);
  for (const tab of [one, two]) {
    await unread(tab, id, 0);
    await title(tab, `(1) ${ann} · Petrel`);
  }
  await other.talk(id, "seen at once", { group: true }).done;
  await one.shows(["a", "b", "c", "seen at once"]);
  await unread(two, id, 0);

  // A tab that is in the background reads nothing.
  await one.page.evaluate(
    `Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true })`,
  );
  await other.talk(id, "while away", { group: true }).done;
  for (const tab of [one, two]) await unread(tab, id, 1);
  await stand.server.stop();
  await stand.server.start();
  for (const tab of [one, two]) await tab.tryNow();
  for (const tab of [one, two]) await tab.is("online");
  await until("the other one is back", () => other.state, (state) => state === "online");
  await other.talk(id, "after the restart", { group: true }).done;
  for (const tab of [one, two]) await unread(tab, id, 2);
  await two.page.reload();
  await unread(two, id, 2);
  await unread(two, bob, 1);
  await one.page.evaluate(`delete document.visibilityState; document.dispatchEvent(new Event("visibilitychange"))`);
  for (const tab of [one, two]) await unread(tab, id, 0);

  await using fresh = await stand.browser.newContext();
  const third = await stand.open(fresh, ann, `${bob}-other`);
  await unread(third, bob, 1);
  await unread(third, id, 0);
  await line(third, id).click();
  await third.shows(["a", "b", "c", "seen at once", "while away", "after the restart"]);
  await unread(third, bob, 1);
  for (const tab of [one, two, third]) expect(tab.complaints).toEqual([]);
}, 60_000);

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
    await unread(tab, peer, texts.length);
    await line(tab, peer).click();
    await until("the newest is shown", () => tab.shown(), (shown) => shown.at(-1)?.text === texts.at(-1));
    await unread(tab, peer, 0);
    await showsAll(tab, texts);
    if (peer !== large) continue;
    await tab.part("members").click();
    await membersAre(tab, [bob, ann, ...crowd.slice(0, 98)]);
    await tab.part("members-more").click();
    await membersAre(tab, [bob, ann, ...crowd]);
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
  const id = await create(tab, "After", [bob]);
  await tab.say("hello");
  await tab.shows(["hello"]);
  await tab.page.reload();
  await tab.shows(["hello"]);
  await unread(tab, bob, 0);
  await unread(tab, id, 0);
  expect([tab.complaints, await tab.part("storage-notice").isVisible()]).toEqual([[], false]);
}, 30_000);
