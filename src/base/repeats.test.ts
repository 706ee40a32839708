import { expect, test } from "bun:test";
import { FakeClock } from "./fake_clock.ts";
import { Repeats } from "./repeats.ts";

test("the first few of a kind pass in a window, the next one that passes knows how many did not", () => {
  const clock = new FakeClock();
  const repeats = new Repeats(clock, { most: 2, windowMs: 1_000, kinds: 10 });
  expect([1, 2, 3, 4].map(() => repeats.pass("one"))).toEqual([0, 0, undefined, undefined]);
  expect(repeats.pass("other")).toBe(0);
  clock.advance(999);
  expect(repeats.pass("one")).toBe(undefined);
  clock.advance(1);
  expect([1, 2, 3].map(() => repeats.pass("one"))).toEqual([3, 0, undefined]);
});

test("the window begins with what passed", () => {
  const clock = new FakeClock();
  const repeats = new Repeats(clock, { most: 1, windowMs: 1_000, kinds: 10 });
  expect(repeats.pass("one")).toBe(0);
  clock.advance(1_500);
  expect(repeats.pass("one")).toBe(0);
  clock.advance(999);
  expect(repeats.pass("one")).toBe(undefined);
  clock.advance(1);
  expect(repeats.pass("one")).toBe(1);
});

test("forgets when asked, and when there are too many kinds", () => {
  const repeats = new Repeats(new FakeClock(), { most: 1, windowMs: 1_000, kinds: 2 });
  const pass = (...names: string[]) => names.map((name) => repeats.pass(name));
  expect(pass("one", "one", "two", "two")).toEqual([0, undefined, 0, undefined]);
  repeats.forget();
  expect(pass("one", "two")).toEqual([0, 0]);
  expect(pass("three", "one", "three")).toEqual([0, 0, undefined]);
});
