import type { Clock, Timer } from "../base/clock.ts";
import type { ConsulEntry } from "./consul_entry.ts";

/**
 * A Consul that was away, or counts anew, may have lost everything, and has everybody again soon: for some time after,
 * whoever was told stays told.
 */
export class Grace {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #tell: (entries: readonly ConsulEntry[]) => void;
  #seen: readonly ConsulEntry[] = [];
  #told: readonly ConsulEntry[] = [];
  /** Runs while it lasts. */
  #ends: Timer | undefined;

  constructor(clock: Clock, ms: number, tell: (entries: readonly ConsulEntry[]) => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#tell = tell;
  }

  /** It lasts from now on; what was seen before stays told until it ends. */
  begin(): void {
    this.#ends?.stop();
    this.#ends = this.#clock.after(this.#ms, () => {
      this.#ends = undefined;
      this.seen(this.#seen);
    });
  }

  /** What Consul has now. */
  seen(entries: readonly ConsulEntry[]): void {
    this.#seen = entries;
    if (this.#ends) {
      const ids = new Set(entries.map(({ instance }) => instance.id));
      this.#told = [...entries, ...this.#told.filter(({ instance }) => !ids.has(instance.id))];
    } else this.#told = entries;
    this.#tell(this.#told);
  }

  stop(): void {
    this.#ends?.stop();
  }
}
