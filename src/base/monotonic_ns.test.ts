import { describe, expect, test } from "bun:test";
import { FakeClock } from "./fake_clock.ts";
import { MonotonicNs } from "./monotonic_ns.ts";

const START_NS = 1_700_000_000_000_000_000n;

describe("MonotonicNs", () => {
  test("follows the monotonic clock below the millisecond", () => {
    const clock = new FakeClock();
    const times = new MonotonicNs(clock);
    expect(times.next()).toBe(START_NS);
    clock.advance(0.25);
    expect(times.next()).toBe(START_NS + 250_000n);
  });

  test("grows by one when no time passed", () => {
    const times = new MonotonicNs(new FakeClock());
    const first = times.next();
    expect([times.next(), times.next()]).toEqual([first + 1n, first + 2n]);
  });

  test("does not go back when the wall clock does", () => {
    const clock = new FakeClock();
    const times = new MonotonicNs(clock);
    const first = times.next();
    clock.jump(-3_600_000);
    clock.advance(1);
    expect(times.next()).toBe(first + 1_000_000n);
  });

  test("follows a wall clock that jumps forward by more than a second", () => {
    const clock = new FakeClock();
    const times = new MonotonicNs(clock);
    const first = times.next();
    clock.jump(900);
    expect(times.next()).toBe(first + 1n);
    clock.jump(200);
    expect(times.next()).toBe(first + 1_100_000_000n);
  });

  test("starts later than the last time given", () => {
    const clock = new FakeClock();
    const last = START_NS + 60_000_000_000n;
    const times = new MonotonicNs(clock, last);
    expect(times.next()).toBe(last + 1n);
    clock.advance(60_001);
    expect(times.next()).toBe(last + 1_000_000n);
  });
});
