import { expect, test } from "bun:test";
import { Backoff } from "./backoff.ts";

test("Backoff: the bound doubles up to the limit, and starts over after a success", () => {
  const backoff = new Backoff(() => 0.5, { baseMs: 100, maxMs: 1_000 });
  expect([1, 2, 3, 4, 5, 6].map(() => backoff.next())).toEqual([50, 100, 200, 400, 500, 500]);
  expect(backoff.failures).toBe(6);
  backoff.reset();
  expect(backoff.next()).toBe(50);
});

test("Backoff: any time from zero up to the bound", () => {
  const draws = [0, 0.999999, 0.25];
  const backoff = new Backoff(() => draws.shift()!, { baseMs: 1_000, maxMs: 1_000 });
  expect([backoff.next(), backoff.next(), backoff.next()]).toEqual([0, 999, 250]);
});

test("Backoff: thousands of failures in a row stay at the limit", () => {
  const backoff = new Backoff(() => 0.9, { baseMs: 500, maxMs: 30_000 });
  for (let i = 0; i < 5_000; i++) backoff.next();
  expect(backoff.next()).toBe(27_000);
});
