import { expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { testInstance } from "../../tests/contract/naming.ts";
import type { ConsulEntry } from "./consul_entry.ts";
import { Grace } from "./consul_grace.ts";

function stand() {
  const clock = new FakeClock();
  const told: string[] = [];
  const grace = new Grace(
    clock,
    6_000,
    (entries) => told.push(entries.map(({ instance }) => instance.incarnation).sort().join(" ")),
  );
  const seen = (...runs: string[]) => grace.seen(runs.map(entry));
  return { clock, grace, told, seen };
}

/** `b2`: the second run of b. */
function entry(run: string): ConsulEntry {
  return { instance: testInstance({ id: run[0]!, incarnation: run }), consulId: run, sinceMs: 1, passes: true };
}

test("without grace what is seen is told", () => {
  const { seen, told } = stand();
  seen("a", "b");
  seen("b");
  seen();
  expect(told).toEqual(["a b", "b", ""]);
});

test("in grace whoever was told stays, until it ends", () => {
  const { clock, grace, seen, told } = stand();
  seen("a", "b", "c");
  grace.begin();
  seen();
  seen("b2");
  seen("b2", "d");
  seen("b2", "c");
  expect(told).toEqual(["a b c", "a b c", "a b2 c", "a b2 c d", "a b2 c d"]);
  clock.advance(6_000);
  expect(told.at(-1)).toBe("b2 c");
  seen("b2");
  expect(told.at(-1)).toBe("b2");
});

test("a grace that begins again lasts longer; a stop ends it without a word", () => {
  const { clock, grace, seen, told } = stand();
  seen("a");
  grace.begin();
  seen();
  clock.advance(5_000);
  grace.begin();
  clock.advance(5_000);
  expect(told).toEqual(["a", "a"]);
  grace.stop();
  clock.advance(5_000);
  expect(told).toEqual(["a", "a"]);
});
