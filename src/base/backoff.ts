/** Milliseconds. `maxMs` bounds a single wait. */
export interface BackoffOptions {
  readonly baseMs?: number;
  readonly maxMs?: number;
}

/**
 * How long to wait before trying again: "full jitter", a random time between 0 and a bound that doubles with each
 * failure, so that those who failed together do not return together.
 * Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export class Backoff {
  readonly #random: () => number;
  readonly #baseMs: number;
  readonly #maxMs: number;
  #failures = 0;

  /** @param random gives numbers from 0 up to, not including, 1. */
  constructor(random: () => number, options: BackoffOptions = {}) {
    this.#random = random;
    this.#baseMs = options.baseMs ?? 500;
    this.#maxMs = options.maxMs ?? 30_000;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Call at each failure: whole ms to wait. */
  next(): number {
    const bound = Math.min(this.#maxMs, this.#baseMs * 2 ** Math.min(this.#failures++, 30));
    return Math.floor(this.#random() * bound);
  }

  /** Call when it worked. */
  reset(): void {
    this.#failures = 0;
  }
}
