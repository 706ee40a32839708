import type { Clock } from "./clock.ts";

const FORWARD_JUMP_MS = 1_000;

/**
 * Unix nanoseconds that strictly grow. The monotonic clock runs from an anchor in the epoch, so the resolution is
 * below a millisecond and a wall clock that is set back is not followed. When the wall clock is more than a second
 * ahead (a machine that slept, a clock that was set) the anchor moves there.
 */
export class MonotonicNs {
  readonly #clock: Pick<Clock, "now" | "mono">;
  #anchorMs: number;
  #anchorNs: bigint;
  #anchorMono: number;
  #last: bigint;

  /** @param last every time given is later than this one. */
  constructor(clock: Pick<Clock, "now" | "mono">, last = 0n) {
    this.#clock = clock;
    this.#last = last;
    this.#anchorMs = clock.now();
    this.#anchorNs = BigInt(Math.floor(this.#anchorMs)) * 1_000_000n;
    this.#anchorMono = clock.mono();
  }

  /** Every time given from now on is later than this one. */
  raise(last: bigint): void {
    if (last > this.#last) this.#last = last;
  }

  /** hot: per message */
  next(): bigint {
    const mono = this.#clock.mono();
    const wall = this.#clock.now();
    if (wall - this.#anchorMs - (mono - this.#anchorMono) > FORWARD_JUMP_MS) {
      this.#anchorMs = wall;
      this.#anchorNs = BigInt(Math.floor(wall)) * 1_000_000n;
      this.#anchorMono = mono;
    }
    const ns = this.#anchorNs + BigInt(Math.floor((mono - this.#anchorMono) * 1e6));
    this.#last = ns > this.#last ? ns : this.#last + 1n;
    return this.#last;
  }
}
