import type { Clock } from "../../base/clock.ts";

export interface RateRules {
  readonly burst: number;
  readonly perSecond: number;
  /** So many keys are remembered; the one longest unused is forgotten first. */
  readonly most: number;
}

/** A token bucket per key. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #rules: RateRules;
  /** In the order of use. */
  readonly #buckets = new Map<string, { left: number; atMs: number }>();

  constructor(clock: Clock, rules: RateRules) {
    this.#clock = clock;
    this.#rules = rules;
  }

  /** Takes one; false when there is none. */
  take(key: string): boolean {
    const { burst, perSecond, most } = this.#rules;
    const nowMs = this.#clock.mono();
    const old = this.#buckets.get(key);
    const left = old ? Math.min(burst, old.left + (nowMs - old.atMs) / 1000 * perSecond) : burst;
    this.#buckets.delete(key);
    this.#buckets.set(key, { left: left >= 1 ? left - 1 : left, atMs: nowMs });
    if (this.#buckets.size > most) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    return left >= 1;
  }
}
