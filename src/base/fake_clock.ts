import type { Clock, Timer } from "./clock.ts";

interface Waiting {
  at: number;
  order: number;
  every: number | undefined;
  run: () => void;
}

/** A clock that moves only when told. `endOfTick` runs on the next microtask turn. */
export class FakeClock implements Clock {
  #now: number;
  #mono = 0;
  #order = 0;
  readonly #waiting = new Set<Waiting>();

  constructor(startMs = 1_700_000_000_000) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  mono(): number {
    return this.#mono;
  }

  after(ms: number, run: () => void): Timer {
    return this.#add(ms, undefined, run);
  }

  every(ms: number, run: () => void): Timer {
    return this.#add(ms, ms, run);
  }

  endOfTick(run: () => void): void {
    setTimeout(run, 0);
  }

  /** Moves both times forward, running what falls due, in order. */
  advance(ms: number): void {
    const end = this.#mono + ms;
    for (;;) {
      let next: Waiting | undefined;
      for (const one of this.#waiting) {
        if (one.at <= end && (!next || one.at < next.at || (one.at === next.at && one.order < next.order))) next = one;
      }
      if (!next) break;
      this.#now += next.at - this.#mono;
      this.#mono = next.at;
      if (next.every === undefined) this.#waiting.delete(next);
      else next.at += next.every;
      next.run();
    }
    this.#now += end - this.#mono;
    this.#mono = end;
  }

  /** The process stands still for so long: what falls due meanwhile runs once, late. */
  stall(ms: number): void {
    this.#now += ms;
    this.#mono += ms;
    for (const one of [...this.#waiting]) {
      if (one.at > this.#mono) continue;
      if (one.every !== undefined) one.at = this.#mono;
    }
  }

  /** The wall clock jumps; monotonic time does not. */
  jump(ms: number): void {
    this.#now += ms;
  }

  #add(ms: number, every: number | undefined, run: () => void): Timer {
    const one: Waiting = { at: this.#mono + ms, order: this.#order++, every, run };
    this.#waiting.add(one);
    return { stop: () => void this.#waiting.delete(one) };
  }
}
