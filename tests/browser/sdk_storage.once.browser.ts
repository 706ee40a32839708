/** What the SDK keeps in a real browser's IndexedDB, and when it may not. Run by scripts/ok.ts alone. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { CutProxy } from "./cut_proxy.ts";
import { expectAll, numbered, SdkStand } from "./sdk_stand.ts";
import { bodies } from "./sdk_tab.ts";
import { until } from "./until.ts";

let stand: SdkStand;

beforeAll(async () => {
  stand = await SdkStand.start();
}, 60_000);

afterAll(() => stand?.[Symbol.asyncDispose](), 30_000);

/** Browsers compress what they store. */
function incompressible(length: number): string {
  return [...crypto.getRandomValues(new Uint8Array(length / 2))].map((byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}

test("after a reload a tab goes on where it was, and says what waited, once", async () => {
  const [ann, bob] = stand.pair();
  await using proxy = await CutProxy.start(stand.server.port);
  await using mine = await stand.browser.newContext();
  await using theirs = await stand.browser.newContext();
  const one = await stand.open(mine, ann, { url: `ws://127.0.0.1:${proxy.port}` });
  const two = await stand.open(theirs, bob);
  await Promise.all([one.online(), two.online()]);
  for (const round of ["x", "y", "z"]) {
    await two.talk(ann, ...numbered(`to ann ${round}`, 20));
    const { received } = await one.until("the messages are there", ({ received }) => received.length === 20);
    expect(received.map(({ body }) => body)).toEqual(numbered(`to ann ${round}`, 20));
    proxy.cut();
    await one.until("the cut is noticed", ({ state }) => state !== "online");
    await one.talk(bob, ...numbered(`to bob ${round}`, 20));
    await until("what waits is kept", () => one.kept(), (count) => count === 20);
    proxy.mend();
    await one.reload();
    await one.online();
    await until("what waited is settled", () => one.kept(), (count) => count === 0);
  }
  await one.talk(bob, "end");
  await two.talk(ann, "end");
  const [atOne, atTwo] = await Promise.all(
    [one, two].map((tab) => tab.until("the last is there", (state) => bodies(state).includes("end"))),
  );
  expect(bodies(atOne!)).toEqual(["end"]);
  expect(bodies(atTwo!)).toEqual([...["x", "y", "z"].flatMap((round) => numbered(`to bob ${round}`, 20)), "end"]);
  expect(atOne!.events).toEqual([]);
}, 60_000);

test("reloads in the middle of a talk double nothing and lose nothing that was kept", async () => {
  const [ann, bob] = stand.pair();
  await using mine = await stand.browser.newContext();
  await using theirs = await stand.browser.newContext();
  const one = await stand.open(mine, ann);
  const two = await stand.open(theirs, bob);
  await Promise.all([one.online(), two.online()]);
  const sure: string[] = [];
  for (let round = 0; round < 5; round++) {
    await one.keepTalking(bob, `${round}-`, 10);
    const { sent } = await one.until(
      "some are stored",
      ({ sent }) => sent.filter(({ state }) => state === "durable").length > 20,
    );
    sure.push(...sent.filter(({ state }) => state === "durable").map(({ body }) => body));
    await one.reload();
    await one.online();
  }
  await one.talk(bob, "end");
  const there = bodies(await two.until("the last is there", (state) => bodies(state).includes("end")));
  expect(there).toEqual([...new Set(there)]);
  expect(sure.filter((body) => !there.includes(body))).toEqual([]);
  const order = there.slice(0, -1).map((body) => body.split("-").map(Number) as [number, number]);
  const inOrder = order.toSorted(([round, count], [otherRound, other]) => round - otherRound || count - other);
  expect(order).toEqual(inOrder);
  expect((await one.look()).events).toEqual([]);
}, 60_000);

test("where storage is denied a client tells it and talks all the same", async () => {
  const [ann, bob] = stand.pair();
  await using denied = await stand.browser.newContext();
  await using theirs = await stand.browser.newContext();
  await denied.addInitScript("indexedDB.open = () => { throw new DOMException('no', 'SecurityError') }");
  const one = await stand.open(denied, ann);
  const two = await stand.open(theirs, bob);
  await one.talk(bob, ...numbered("a", 20));
  await two.talk(ann, ...numbered("b", 20));
  const [left] = await expectAll(one, two);
  expect(left.events).toEqual(["storage: STORAGE_DENIED"]);
}, 30_000);

test("a full storage is told, loses nothing, and is made up for when there is room again", async () => {
  const [ann, bob] = stand.pair();
  await using proxy = await CutProxy.start(stand.server.port);
  await using mine = await stand.browser.newContext();
  await using theirs = await stand.browser.newContext();
  const limitStorage = await stand.limitStorage(mine, 200_000);
  const one = await stand.open(mine, ann, { url: `ws://127.0.0.1:${proxy.port}` });
  const two = await stand.open(theirs, bob);
  await Promise.all([one.online(), two.online()]);
  proxy.cut();
  await one.until("the cut is noticed", ({ state }) => state !== "online");
  const long = numbered("", 100).map((text) => text + incompressible(4_000));
  await one.talk(bob, ...long);
  await one.until("it is told", ({ events }) => events.length > 0);
  await limitStorage(1e9);
  await until("everything is kept", () => one.kept(), (count) => count === long.length);
  expect((await one.look()).events).toEqual(["storage: STORAGE_FULL", "storage: works"]);
  proxy.mend();
  await one.reload();
  const { received } = await two.until("all is there", ({ received }) => received.length >= long.length);
  expect(received.map(({ body }) => body)).toEqual(long);
}, 60_000);

test("site data that is cleared while messages wait is told, and written again", async () => {
  const [ann, bob] = stand.pair();
  await using proxy = await CutProxy.start(stand.server.port);
  await using mine = await stand.browser.newContext();
  await using theirs = await stand.browser.newContext();
  const one = await stand.open(mine, ann, { url: `ws://127.0.0.1:${proxy.port}` });
  const two = await stand.open(theirs, bob);
  await Promise.all([one.online(), two.online()]);
  proxy.cut();
  await one.until("the cut is noticed", ({ state }) => state !== "online");
  await one.talk(bob, ...numbered("early ", 3));
  await until("what waits is kept", () => one.kept(), (count) => count === 3);
  await stand.clearStorage(mine);
  await one.talk(bob, ...numbered("late ", 3));
  await until("everything is kept", () => one.kept(), (count) => count === 6);
  // What the browser says first: that the database is closed, or that a write to it failed.
  const { events: [lost, ...then] } = await one.look();
  expect(lost).toMatch(/^storage: STORAGE_(LOST|FAILED)$/);
  expect(then).toEqual(["storage: works"]);
  await one.reload();
  proxy.mend();
  const { received } = await two.until("all is there", ({ received }) => received.length >= 6);
  expect(received.map(({ body }) => body)).toEqual([...numbered("early ", 3), ...numbered("late ", 3)]);
}, 60_000);
