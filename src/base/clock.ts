/** A timer that can be stopped; stopping twice is harmless. */
export interface Timer {
  stop(): void;
}

/** Time, handed in. Tests use FakeClock (base/fake_clock.ts); only this file touches the runtime's timers. */
export interface Clock {
  /** Milliseconds since 1970, may jump. */
  now(): number;
  /** Milliseconds that only grow, with fractions. For durations and deadlines. */
  mono(): number;
  after(ms: number, run: () => void): Timer;
  every(ms: number, run: () => void): Timer;
  /** Runs once after the present event and everything it queued: one flush per tick. */
  endOfTick(run: () => void): void;
}

// Browsers have none, so it is asked for by name.
const { setImmediate } = globalThis as { setImmediate?: (run: () => void) => unknown };
const endOfTick: (run: () => void) => void = setImmediate
  ? (run) => void setImmediate(run)
  : (run) => void setTimeout(run, 0);

export const systemClock: Clock = {
  now: () => Date.now(),
  mono: () => performance.now(),
  after(ms, run) {
    const id = setTimeout(run, ms);
    return { stop: () => clearTimeout(id) };
  },
  every(ms, run) {
    const id = setInterval(run, ms);
    return { stop: () => clearInterval(id) };
  },
  endOfTick,
};

/** A promise for `ms` from now on that clock. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve));
}
