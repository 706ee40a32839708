import { describe, expect, test } from "bun:test";
import { FakeClock } from "./fake_clock.ts";
import { Deadline, TimerWheel } from "./timer_wheel.ts";

class Probe extends Deadline {
  readonly woken: number[] = [];
  readonly then: ((nowMs: number) => void) | undefined;
  constructor(then?: (nowMs: number) => void) {
    super();
    this.then = then;
  }
  expired(nowMs: number): void {
    this.woken.push(nowMs);
    this.then?.(nowMs);
  }
}

function setUp(tickMs = 100, slots = 16) {
  const clock = new FakeClock();
  return { clock, wheel: new TimerWheel(clock, tickMs, slots) };
}

describe("TimerWheel", () => {
  test.each([1, 99, 100, 101, 1_500, 1_600, 10_000, 120_000])(
    "wakes once, not before %d ms and at most two ticks after",
    (ms) => {
      const { clock, wheel } = setUp();
      const probe = new Probe();
      wheel.set(probe, ms);
      clock.advance(ms - 1);
      expect(probe.woken).toEqual([]);
      clock.advance(201);
      expect(probe.woken.length).toBe(1);
      clock.advance(300_000);
      expect(probe.woken.length).toBe(1);
      expect(wheel.size).toBe(0);
    },
  );

  test("a deadline moved away is kept, moved nearer comes sooner", () => {
    const { clock, wheel } = setUp();
    const away = new Probe();
    const nearer = new Probe();
    wheel.set(away, 500);
    wheel.set(away, 3_000);
    wheel.set(nearer, 60_000);
    wheel.set(nearer, 500);
    clock.advance(700);
    expect([away.woken.length, nearer.woken.length]).toEqual([0, 1]);
    clock.advance(2_200);
    expect(away.woken).toEqual([]);
    clock.advance(300);
    expect(away.woken.length).toBe(1);
  });

  test("what is removed does not wake, removing twice is harmless", () => {
    const { clock, wheel } = setUp();
    const probes = [new Probe(), new Probe(), new Probe()];
    for (const probe of probes) wheel.set(probe, 500);
    wheel.remove(probes[1]!);
    wheel.remove(probes[1]!);
    expect(wheel.size).toBe(2);
    clock.advance(1_000);
    expect(probes.map((probe) => probe.woken.length)).toEqual([1, 0, 1]);
  });

  test("one that wakes may set itself again and remove others of its slot", () => {
    const { clock, wheel } = setUp();
    const other = new Probe();
    const again: Probe = new Probe((now) => {
      wheel.remove(other);
      if (again.woken.length < 3) wheel.set(again, now + 1);
    });
    wheel.set(other, 500);
    wheel.set(again, 500); // in front of `other`: the newest of a slot comes first
    clock.advance(2_000);
    expect(again.woken.length).toBe(3);
    expect(other.woken).toEqual([]);
  });

  test("after a long sleep of the process everything due wakes once", () => {
    const { clock, wheel } = setUp(100, 8);
    const probes = Array.from({ length: 50 }, () => new Probe());
    probes.forEach((probe, i) => wheel.set(probe, 100 + i * 97));
    const late = new Probe();
    wheel.set(late, 100_000);
    // One tick of the timer that comes 50 s late: the fake clock has no such thing, so the wheel's clock jumps.
    const mono = clock.mono.bind(clock);
    clock.mono = () => mono() + 50_000;
    clock.advance(100);
    expect(probes.every((probe) => probe.woken.length === 1)).toBe(true);
    expect(late.woken).toEqual([]);
  });

  test("agrees with a plain list for random sets, moves and removals", () => {
    let seed = 42;
    const random = (below: number) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % below;
    const { clock, wheel } = setUp(100, 32);
    const probes = Array.from({ length: 40 }, () => new Probe());
    const due = new Map<Probe, number>();
    for (let step = 0; step < 2_000; step++) {
      const probe = probes[random(probes.length)]!;
      const now = clock.mono();
      if (random(4) === 0) {
        wheel.remove(probe);
        due.delete(probe);
      } else {
        const at = now + random(8_000);
        wheel.set(probe, at);
        due.set(probe, at);
      }
      clock.advance(random(150));
      for (const [one, at] of due) {
        const woken = one.woken.pop();
        if (woken !== undefined) {
          expect(woken).toBeGreaterThanOrEqual(at);
          due.delete(one);
        } else expect(clock.mono() - at).toBeLessThan(201);
      }
    }
    expect(wheel.size).toBe(due.size);
  });

  test("ticks only while something waits, and not after dispose", () => {
    const clock = new FakeClock();
    let timers = 0;
    const every = clock.every.bind(clock);
    clock.every = (ms, run) => {
      timers++;
      const timer = every(ms, run);
      return { stop: () => (timers--, timer.stop()) };
    };
    const wheel = new TimerWheel(clock);
    expect(timers).toBe(0);
    wheel.set(new Probe(), 300);
    expect(timers).toBe(1);
    clock.advance(1_000);
    expect(timers).toBe(0);
    wheel.set(new Probe(), 30_000);
    wheel.set(new Probe(), 500_000);
    wheel[Symbol.dispose]();
    expect([timers, wheel.size]).toEqual([0, 0]);
  });

  test("time stands still between ticks and is right again at the first entry", () => {
    const { clock, wheel } = setUp();
    clock.advance(12_345);
    const probe = new Probe();
    wheel.wakeIn(probe, 500);
    expect(wheel.nowMs).toBe(12_345);
    clock.advance(400);
    expect(probe.woken).toEqual([]);
    clock.advance(300);
    expect(probe.woken.length).toBe(1);
  });
});
