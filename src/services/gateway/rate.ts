import type { Clock } from "../../base/clock.ts";

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Names that are full again are forgotten this often. */
const SWEEP_MS = 10_000;

/**
 * Token buckets by name. `perSecond` 0 switches the limit off. A bucket may go into debt by one second's worth: the
 * caller then reads more slowly; beyond that the request is refused.
 */
export class RateLimit {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #buckets = new Map<string, Bucket>();
  #sweptMs: number;

  constructor(clock: Clock, perSecond: number, burst = 3 * perSecond) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#sweptMs = clock.mono();
  }

  get off(): boolean {
    return this.#perSecond === 0;
  }

  /** Takes one. 0: go on; above: go on, and read nothing more for that many ms; Infinity: refuse. */
  take(name: string): number {
    if (this.off) return 0;
    const now = this.#clock.mono();
    if (now - this.#sweptMs > SWEEP_MS) this.#sweep(now);
    let bucket = this.#buckets.get(name);
    if (!bucket) this.#buckets.set(name, bucket = { tokens: this.#burst, atMs: now });
    bucket.tokens = this.#refilled(bucket, now);
    bucket.atMs = now;
    if (bucket.tokens < 1 - this.#perSecond) return Infinity;
    bucket.tokens -= 1;
    return bucket.tokens >= 0 ? 0 : Math.ceil(-bucket.tokens * 1000 / this.#perSecond);
  }

  get size(): number {
    return this.#buckets.size;
  }

  #refilled(bucket: Bucket, now: number): number {
    return Math.min(this.#burst, bucket.tokens + (now - bucket.atMs) * this.#perSecond / 1000);
  }

  #sweep(now: number): void {
    this.#sweptMs = now;
    for (const [name, bucket] of this.#buckets) {
      if (this.#refilled(bucket, now) >= this.#burst) this.#buckets.delete(name);
    }
  }
}
