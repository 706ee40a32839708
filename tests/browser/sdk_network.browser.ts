/** The SDK in a real browser, while networks and servers fail. Run by scripts/ok.ts alone. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { CutProxy } from "./cut_proxy.ts";
import { expectAll, numbered, SdkStand } from "./sdk_stand.ts";

let stand: SdkStand;

beforeAll(async () => {
  stand = await SdkStand.start();
}, 60_000);

afterAll(() => stand?.[Symbol.asyncDispose](), 30_000);

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("what both say while one is offline arrives once when it is back", async () => {
  const [ann, bob] = stand.pair();
  await using away = await stand.browser.newContext();
  await using home = await stand.browser.newContext();
  const one = await stand.open(away, ann);
  const two = await stand.open(home, bob);
  await Promise.all([one.online(), two.online()]);
  await away.setOffline(true);
  await one.talk(bob, ...numbered("a", 30));
  await two.talk(ann, ...numbered("b", 30));
  await one.until("the silence is noticed", ({ state }) => state !== "online");
  expect((await two.settled()).received).toEqual([]);
  await away.setOffline(false);
  const [left] = await expectAll(one, two);
  expect(left.logins).toBe(2);
}, 60_000);

test("a network that comes and goes every two seconds loses nothing and doubles nothing", async () => {
  const [ann, bob] = stand.pair();
  await using proxy = await CutProxy.start(stand.server.port);
  await using context = await stand.browser.newContext();
  const url = `ws://127.0.0.1:${proxy.port}`;
  const one = await stand.open(context, ann, { url });
  const two = await stand.open(context, bob, { url });
  await Promise.all([one.online(), two.online()]);
  await Promise.all([one.keepTalking(bob, "a", 20), two.keepTalking(ann, "b", 20)]);
  for (let round = 0; round < 3; round++) {
    await sleep(1_000); // the network's pace, nothing is waited for
    proxy.cut();
    await context.setOffline(true);
    await sleep(1_000);
    proxy.mend();
    await context.setOffline(false);
  }
  await Promise.all([one.hush(), two.hush()]);
  const [left, right] = await expectAll(one, two);
  for (const { logins } of [left, right]) expect(logins).toBeGreaterThanOrEqual(3);
}, 60_000);

test("kill -9 of the server loses nothing and doubles nothing", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  const one = await stand.open(context, ann);
  const two = await stand.open(context, bob);
  await Promise.all([one.online(), two.online()]);
  await Promise.all([one.keepTalking(bob, "a", 5), two.keepTalking(ann, "b", 5)]);
  for (const much of [50, 150]) {
    await one.until("the talk goes on", ({ received }) => received.length > much);
    await stand.server.kill();
    await one.until("the end is noticed", ({ state }) => state !== "online");
    await stand.server.start();
    await Promise.all([one.online(), two.online()]);
  }
  await Promise.all([one.hush(), two.hush()]);
  await expectAll(one, two);
}, 60_000);
