import type { Clock } from "../base/clock.ts";
import type { Claim, Leases } from "./leases.ts";

/** Leases of one process, in memory. */
export class MemoryLeases implements Leases {
  readonly #clock: Clock;
  readonly #held = new Map<string, { readonly holder: string; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Does anybody hold it now? */
  held(name: string): boolean {
    return (this.#held.get(name)?.untilMs ?? 0) > this.#clock.mono();
  }

  claim(name: string, holder: string, ttlMs: number): Promise<Claim> {
    const before = this.held(name) ? this.#held.get(name) : undefined;
    if (before && before.holder !== holder) return Promise.resolve("taken");
    this.#held.set(name, { holder, untilMs: this.#clock.mono() + ttlMs });
    return Promise.resolve(before ? "kept" : "made");
  }

  release(name: string, holder: string): Promise<void> {
    if (this.#held.get(name)?.holder === holder) this.#held.delete(name);
    return Promise.resolve();
  }
}
