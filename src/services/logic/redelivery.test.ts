import { expect, test } from "bun:test";
import { ImError } from "../../base/errors.ts";
import { FakeClock } from "../../base/fake_clock.ts";
import { silent } from "../../base/logger.ts";
import { Metrics } from "../../base/metrics.ts";
import { Redelivery } from "./redelivery.ts";

/** Pushes that work while the store does. */
function stand() {
  const clock = new FakeClock(), metrics = new Metrics();
  const at = { works: false, looks: 0, attempts: 0, done: [] as string[] };
  const answer = () => {
    at.attempts++;
    return at.works ? Promise.resolve() : Promise.reject(new ImError("SYSTEM", "Cannot reach the store"));
  };
  const redelivery = new Redelivery({ clock, log: silent, metrics, probe: answer, look: () => at.looks++ });
  const add = (name: string, bytes = 1_000) =>
    redelivery.add(async () => {
      await answer();
      at.done.push(name);
    }, bytes);
  const pass = async (ms: number) => {
    for (; ms > 0; ms -= 100) {
      clock.advance(100);
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    }
  };
  return { at, add, pass, redelivery, metrics };
}

test("what could not be located is tried again, less and less often, until it can be", async () => {
  const { at, add, pass, redelivery } = stand();
  for (const name of ["a", "b", "c"]) add(name);
  await pass(10_000);
  expect(at.attempts).toBeLessThan(12);
  expect(at.done).toEqual([]);
  at.works = true;
  await pass(2_000);
  expect(at.done.sort()).toEqual(["a", "b", "c"]);
  expect(at.looks).toBe(0);
  expect(redelivery.waits).toBe(false);
  const attempts = at.attempts;
  await pass(5_000);
  expect(at.attempts).toBe(attempts);
});

test("what waits too long is given up, and gateways look: every few seconds, and when the store answers", async () => {
  const { at, add, pass, metrics } = stand();
  add("old");
  await pass(25_000);
  add("new");
  await pass(3_000);
  expect(at.looks).toBe(0);
  await pass(9_000);
  expect(at.looks).toBe(2);
  at.works = true;
  await pass(3_000);
  expect(at.done).toEqual(["new"]);
  expect(at.looks).toBe(3);
  expect(metrics.read("petrel_push_given_up_total")).toBe(1);
  await pass(9_000);
  expect(at.looks).toBe(3);
});

test("with nothing left to try the store itself is asked, until gateways can look", async () => {
  const { at, add, pass } = stand();
  add("old");
  await pass(60_000);
  const { looks } = at;
  at.works = true;
  await pass(3_000);
  expect([at.looks, at.done]).toEqual([looks + 1, []]);
  await pass(9_000);
  expect(at.looks).toBe(looks + 1);
});

test.each([["pieces", 10_000, 1], ["bytes", 16, 1 << 20]])(
  "no more is kept than so many %s",
  async (_of, most, bytes) => {
    const { at, add, pass, metrics } = stand();
    for (let i = 0; i < most + 7; i++) add(`m${i}`, bytes);
    expect(metrics.read("petrel_push_given_up_total")).toBe(7);
    at.works = true;
    await pass(20_000);
    expect(at.done.length).toBe(most);
    expect(at.looks).toBe(1);
  },
);

test("one that fails for another reason does not hold the others up for good", async () => {
  const { at, add, pass, redelivery } = stand();
  at.works = true;
  redelivery.add(() => Promise.reject(new ImError("SYSTEM", "always")), 1);
  add("a");
  redelivery.add(() => Promise.reject(new TypeError("a mistake")), 1);
  await pass(2_000);
  expect(at.done).toEqual(["a"]);
  await pass(40_000);
  expect(redelivery.waits).toBe(false);
});
