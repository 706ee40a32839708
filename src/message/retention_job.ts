import { Backoff } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { Metrics } from "../base/metrics.ts";
import type { ImStore } from "./message_store.ts";

export interface RetentionDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Messages of one slice: as many as the store removes without holding others up. Default 1,000. */
  readonly slice?: number;
  /** From 0 up to, not including, 1; default: no jitter, errors are waited out for half of the bound. */
  readonly random?: () => number;
}

const DAY_NS = 86_400_000_000_000n;
/** Messages of one slice: stores take thousands at once more cheaply, in transactions of their own size. */
const SLICE = 10_000;
/** After a slice that found enough, a pause as long as it took, and at least that: half of the time is everybody else's. */
const LEAST_PAUSE_MS = 10;
/** When nothing is old enough any more. */
const IDLE_MS = 60_000;
const RETRY = { baseMs: 2_000, maxMs: 300_000 };
/** A wall clock that goes ahead of monotonic time by more is believed only when it is so for that long. */
const JUMP_MS = 60_000, BELIEVED_MS = 86_400_000;

/**
 * Removes what is older than so many days, in slices with pauses, in the background. Disposing waits for its slice. What is
 * removed is gone, so a clock that jumps forward is followed a day later: a wrong one is put right by then.
 */
export class RetentionJob implements AsyncDisposable {
  readonly #store: Pick<ImStore, "removeBefore">;
  readonly #deps: RetentionDeps;
  readonly #days: bigint;
  readonly #backoff: Backoff;
  readonly #removed;
  readonly #failed;
  #timer: Timer;
  #slice: Promise<void> = Promise.resolve();
  #closed = false;
  /** The wall clock when it was believed last. */
  #believed: { readonly wallMs: number; readonly mono: number };
  /** Monotonic ms since when the wall clock is ahead; undefined: it is not. */
  #aheadMono: number | undefined;

  constructor(store: Pick<ImStore, "removeBefore">, days: number, deps: RetentionDeps) {
    this.#store = store;
    this.#deps = deps;
    this.#days = BigInt(days);
    this.#believed = { wallMs: deps.clock.now(), mono: deps.clock.mono() };
    this.#backoff = new Backoff(deps.random ?? (() => 0.5), RETRY);
    const { metrics } = deps;
    this.#removed = metrics.counter("petrel_retention_removed_total", "Messages removed because of their age");
    this.#failed = metrics.counter("petrel_retention_failed_total", "Slices that could not be removed");
    this.#timer = this.#after(LEAST_PAUSE_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer.stop();
    await this.#slice;
  }

  #after(ms: number): Timer {
    return this.#deps.clock.after(ms, () => {
      this.#slice = this.#run();
    });
  }

  /** Ms since 1970. */
  #now(): number {
    const { clock, log } = this.#deps;
    const wallMs = clock.now(), mono = clock.mono();
    const reckonedMs = this.#believed.wallMs + mono - this.#believed.mono;
    const aheadMs = wallMs - reckonedMs;
    if (aheadMs > JUMP_MS) {
      if (this.#aheadMono === undefined) {
        log.warn("the clock jumped forward: messages grow old by it in a day", { aheadMs });
      }
      this.#aheadMono ??= mono;
      if (mono - this.#aheadMono < BELIEVED_MS) return reckonedMs;
    }
    this.#aheadMono = undefined;
    this.#believed = { wallMs, mono };
    return wallMs;
  }

  async #run(): Promise<void> {
    const { clock, log, slice = SLICE } = this.#deps;
    const started = clock.mono();
    let pauseMs: number;
    try {
      const before = BigInt(Math.floor(this.#now())) * 1_000_000n - this.#days * DAY_NS;
      const count = await this.#store.removeBefore(before, slice);
      this.#removed.inc(count);
      this.#backoff.reset();
      pauseMs = count < slice ? IDLE_MS : Math.max(LEAST_PAUSE_MS, clock.mono() - started);
    } catch (error) {
      if (this.#closed) return;
      this.#failed.inc();
      pauseMs = this.#backoff.next();
      log.warn("old messages could not be removed", { error, againInMs: pauseMs });
    }
    if (!this.#closed) this.#timer = this.#after(pauseMs);
  }
}
