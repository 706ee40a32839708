export interface BackoffOptions {
  /** The first wait is up to this long. */
  readonly minMs: number;
  /** No wait is longer. */
  readonly maxMs: number;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
}

/**
 * How long to wait before trying again: anything from 0 up to a limit that starts at `minMs` and doubles up to
 * `maxMs` ("full jitter": those who failed together do not come back together).
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #limitMs: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#limitMs = options.minMs;
  }

  /** Milliseconds to wait now. */
  next(): number {
    const { maxMs, random } = this.#options;
    const ms = random() * this.#limitMs;
    this.#limitMs = Math.min(this.#limitMs * 2, maxMs);
    return ms;
  }

  /** It worked: the next wait is short again. */
  reset(): void {
    this.#limitMs = this.#options.minMs;
  }
}
