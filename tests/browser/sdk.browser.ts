/** The SDK in a real browser. Only scripts/ok.ts runs these files: they need a Chromium. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { PageState } from "./sdk_page.fixture.ts";
import { expectAll, numbered, SdkStand } from "./sdk_stand.ts";
import { bodies } from "./sdk_tab.ts";

let stand: SdkStand;

beforeAll(async () => {
  stand = await SdkStand.start();
}, 60_000);

afterAll(() => stand?.[Symbol.asyncDispose](), 30_000);

test("two tabs of a page with the strictest policy talk", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  const one = await stand.open(context, ann);
  const two = await stand.open(context, bob);
  await one.talk(bob, ...numbered("a", 100));
  await two.talk(ann, ...numbered("b", 100));
  const [left] = await expectAll(one, two);
  expect(left.account).toBe(ann);
  expect(left.received[0]).toMatchObject({ sender: bob, peer: bob, own: false });
  await one.close();
  expect((await one.look()).events).toEqual(["closed: bye"]);
}, 30_000);

test("two tabs of one account each have everything once", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  const left = await stand.open(context, ann, { device: "left" });
  const right = await stand.open(context, ann, { device: "right" });
  const other = await stand.open(context, bob);
  await Promise.all([left, right, other].map((tab) => tab.online()));
  await left.talk(bob, ...numbered("l", 20));
  await right.talk(bob, ...numbered("r", 20));
  await other.talk(ann, ...numbered("b", 20));
  const most = (count: number) => ({ received }: PageState) => received.length >= count;
  const atLeft = await left.until("the left tab has all", most(40));
  const atRight = await right.until("the right tab has all", most(40));
  const atOther = await other.until("the other side has all", most(40));
  const of = ({ received }: PageState, prefix: string) =>
    received.map(({ body }) => body).filter((body) => body.startsWith(prefix));
  expect([of(atLeft, "r"), of(atLeft, "b")]).toEqual([numbered("r", 20), numbered("b", 20)]);
  expect([of(atRight, "l"), of(atRight, "b")]).toEqual([numbered("l", 20), numbered("b", 20)]);
  expect([of(atOther, "l"), of(atOther, "r")]).toEqual([numbered("l", 20), numbered("r", 20)]);
  expect([atLeft, atRight, atOther].map(({ received }) => received.length)).toEqual([40, 40, 40]);
  expect(atLeft.received.filter(({ own }) => own).map(({ peer }) => peer)).toEqual(Array(20).fill(bob));
}, 30_000);

test("a second login of the same device ends the first one, which does not come back", async () => {
  const [ann] = stand.pair();
  await using context = await stand.browser.newContext();
  const first = await stand.open(context, ann, { device: "phone" });
  await first.online();
  const second = await stand.open(context, ann, { device: "phone" });
  await second.online();
  const { events } = await first.until("closed", ({ state }) => state === "closed");
  expect(events).toEqual(["kicked", "closed: kicked"]);
  expect(await second.look()).toMatchObject({ state: "online", logins: 1, events: [] });
}, 30_000);

test("an expired token is told once, as what it is", async () => {
  const [ann] = stand.pair();
  await using context = await stand.browser.newContext();
  const tab = await stand.open(context, ann, { token: stand.server.token(ann, -60) });
  const { events, problems, logins } = await tab.until("closed", ({ state }) => state === "closed");
  expect({ events, problems, logins }).toEqual({
    events: ["closed: unauthorized"],
    problems: [expect.stringMatching(/^ImError: Cannot log in: the token was refused; it expired at \d{4}-.*Z$/)],
    logins: 0,
  });
}, 30_000);

test.each([[-3_600_000], [3_600_000]])(
  "a browser whose clock is wrong by %d ms talks like any other",
  async (wrongMs) => {
    const [ann, bob] = stand.pair();
    await using wrong = await stand.browser.newContext();
    await using right = await stand.browser.newContext();
    await wrong.addInitScript((ms) => {
      const now = Date.now;
      Date.now = () => now() + ms;
    }, wrongMs);
    const one = await stand.open(wrong, ann);
    const two = await stand.open(right, bob);
    await one.talk(bob, ...numbered("a", 10));
    await two.talk(ann, ...numbered("b", 10));
    const [left] = await expectAll(one, two);
    for (const { sentMs } of left.received) expect(Math.abs(sentMs - Date.now())).toBeLessThan(600_000);
  },
  30_000,
);

test("hostile texts arrive as they were said", async () => {
  const [ann, bob] = stand.pair();
  await using context = await stand.browser.newContext();
  const one = await stand.open(context, ann);
  const two = await stand.open(context, bob);
  const texts = [
    "<script>globalThis.harm = 1</script>",
    "__proto__",
    "\u0000\u0007\u001b[2J\r\n\u2028\u2029",
    "\u202edesrever\u202c \u200f\u2066\u2069",
    "🏳️‍🌈".repeat(800),
    "😀".repeat(5_000),
    "é\u0301".repeat(2_000),
    " ",
  ];
  await one.talk(bob, ...texts);
  const [, right] = await expectAll(one, two);
  expect(bodies(right)).toEqual(texts);
  await one.talk(bob, "😀".repeat(5_001), "after");
  const { sent } = await one.settled();
  expect(sent.slice(-2)).toMatchObject([{ state: "failed", error: "INVALID_BODY" }, { state: "durable" }]);
}, 30_000);
