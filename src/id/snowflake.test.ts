import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../base/fake_clock.ts";
import { MAX_NODE, Snowflake, SNOWFLAKE_EPOCH_MS, snowflakeAt, snowflakeMs } from "./snowflake.ts";

const START = 1_700_000_000_000;

/** A clock that is set by hand. */
function clockAt(ms: number): { ms: number; now(): number } {
  return {
    ms,
    now() {
      return this.ms;
    },
  };
}

describe("Snowflake", () => {
  test("puts ms since the epoch, node and sequence where they belong", () => {
    const ids = new Snowflake(clockAt(SNOWFLAKE_EPOCH_MS + 5), 7);
    expect(ids.next()).toBe((5n << 22n) | (7n << 12n));
    expect(ids.next()).toBe((5n << 22n) | (7n << 12n) | 1n);
    const large = new Snowflake(clockAt(START), MAX_NODE).next();
    expect(large).toBe((BigInt(START - SNOWFLAKE_EPOCH_MS) << 22n) | (1023n << 12n));
  });

  test("takes the next millisecond early when 4096 ids of one are spent", () => {
    const clock = clockAt(START);
    const ids = new Snowflake(clock, 0);
    const given = Array.from({ length: 4097 }, () => ids.next());
    expect(snowflakeMs(given[4095]!)).toBe(START);
    expect(snowflakeMs(given[4096]!)).toBe(START + 1);
    clock.ms = START + 1;
    expect(ids.next()).toBe(given[4096]! + 1n);
  });

  test("counts on when the clock jumps back, and follows it forward", () => {
    const clock = clockAt(START);
    const ids = new Snowflake(clock, 0);
    const before = ids.next();
    clock.ms -= 3_600_000;
    expect(ids.next()).toBe(before + 1n);
    clock.ms = START + 10;
    expect(snowflakeMs(ids.next())).toBe(START + 10);
  });

  test("starts above the last id, whichever node gave it", () => {
    const last = new Snowflake(clockAt(START), MAX_NODE).next();
    expect(new Snowflake(clockAt(START - 5_000), 0, last).next()).toBeGreaterThan(last);
    expect(new Snowflake(clockAt(START), 0, last).next()).toBeGreaterThan(last);
  });

  test("only grows, whatever the clock does", () => {
    const steps = fc.array(
      fc.oneof(fc.integer({ min: -2_000, max: 2_000 }), fc.double({ min: 0, max: 3, noNaN: true })),
    );
    fc.assert(fc.property(steps, fc.nat(MAX_NODE), (jumps, node) => {
      const clock = clockAt(START);
      const ids = new Snowflake(clock, node);
      let last = ids.next();
      for (const jump of jumps) {
        clock.ms += jump;
        for (let i = 0; i < 3; i++) {
          const next = ids.next();
          if (next <= last) return false;
          last = next;
        }
      }
      return true;
    }));
  });

  test("refuses a node number that does not fit", () => {
    expect(() => new Snowflake(clockAt(START), 1024)).toThrow("node is 1024");
    expect(() => new Snowflake(clockAt(START), -1)).toThrow(RangeError);
  });

  test("snowflakeAt is the smallest id of its millisecond", () => {
    const id = new Snowflake(clockAt(START), 0).next();
    expect(snowflakeAt(START)).toBe(id);
    expect(snowflakeAt(0)).toBe(0n);
  });
});

test("ids grow when the node number becomes a lower one, and stay within the time it is leased for", () => {
  const clock = new FakeClock();
  const wanted: number[] = [];
  const want = (ms: number) => void wanted.push(ms);
  const lease = { node: 900, afterMs: 0, untilMs: Infinity, now: () => clock.now(), want };
  const ids = new Snowflake({ now: () => 0 }, lease);
  let last = ids.next();
  for (const node of [3, 2, 1000, 0]) {
    lease.node = node;
    const id = ids.next();
    expect(id).toBeGreaterThan(last);
    expect(Number(id >> 12n) & 1023).toBe(node);
    last = ids.next();
    expect(last).toBeGreaterThan(id);
  }
  lease.node = 5;
  lease.afterMs = clock.now() + 500;
  expect(snowflakeMs(ids.next())).toBe(clock.now() + 501);
  lease.untilMs = clock.now() + 600;
  clock.advance(601);
  expect(() => ids.next()).toThrow("leased");
  expect(wanted).toEqual([clock.now()]);
  lease.untilMs = Infinity;
  expect(ids.next()).toBeGreaterThan(last);
});
