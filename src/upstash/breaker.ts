import { Backoff } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";

/** So many requests must fail in a row. */
const FAILURES = 5;
/** How long nobody asks then, doubling; half of it at least. */
const OPEN = { baseMs: 500, maxMs: 2_000 };

/**
 *   closed ──5 failures in a row──► open ──after a while──► probing ──it worked──► closed
 *                                    ▲                        └──it failed──► open, for longer
 */
type State = "closed" | "open" | "probing";

/** Keeps those away who would only wait for an endpoint that does not answer. */
export class Breaker {
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #probe: () => void;
  #state: State = "closed";
  #failures = 0;
  #timer: Timer | undefined;
  #stopped = false;

  /** @param probe asks one question; called when it is time to look again. */
  constructor(clock: Clock, random: () => number, probe: () => void) {
    this.#clock = clock;
    this.#backoff = new Backoff(() => 0.5 + random() / 2, OPEN);
    this.#probe = probe;
  }

  get state(): State {
    return this.#state;
  }

  worked(): void {
    this.#failures = 0;
    if (this.#state === "closed") return;
    this.#timer?.stop();
    this.#state = "closed";
    this.#backoff.reset();
  }

  failed(): void {
    this.#failures++;
    if (this.#state === "open" || (this.#state === "closed" && this.#failures < FAILURES)) return;
    this.#state = "open";
    if (this.#stopped) return;
    this.#timer = this.#clock.after(this.#backoff.next(), () => {
      this.#state = "probing";
      this.#probe();
    });
  }

  /** Nothing is asked any more, whatever still fails. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.stop();
  }
}
