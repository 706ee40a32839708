import type { Clock, Timer } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Counter, Metrics } from "../../base/metrics.ts";

/** What waits at most, in pieces and in bytes. */
const MOST = 10_000;
const MOST_BYTES = 16 << 20;
/** After so long gateways are told to look instead. */
const GIVE_UP_MS = 30_000;
/** Between two attempts while everything fails. */
const PAUSE = { firstMs: 200, mostMs: 2_000 } as const;
/** While nothing works and something was given up, gateways look so often. */
const LOOK_EVERY_MS = 5_000;
/** Tried at once when it works again. */
const AT_ONCE = 64;

export interface RedeliveryDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Resolves when the session store answers. */
  probe(): Promise<unknown>;
  /** Pushes were given up: every gateway is to look what its channels lack. */
  look(): void;
}

interface Waiting {
  readonly run: () => Promise<void> | void;
  readonly bytes: number;
  readonly untilMs: number;
}

/**
 * What follows a reply and could not be done, because the session store did not say who is where: tried again until it
 * does. What waits too long, or is too much, is given up, and gateways look for themselves: again and again, until the
 * store answers.
 */
export class Redelivery implements Disposable {
  readonly #deps: RedeliveryDeps;
  readonly #retried: Counter;
  readonly #givenUp: Counter;
  #queue: Waiting[] = [];
  #bytes = 0;
  /** Something was given up. */
  #lost = false;
  #lookedMs = -Infinity;
  #pauseMs: number = PAUSE.firstMs;
  #timer: Timer | undefined;
  #trying = false;
  #stopped = false;

  constructor(deps: RedeliveryDeps) {
    this.#deps = deps;
    const { metrics } = deps;
    this.#retried = metrics.counter("petrel_push_retried_total", "Pushes that were done at a later attempt");
    this.#givenUp = metrics.counter("petrel_push_given_up_total", "Pushes that could not be located: gateways look");
    metrics.gauge("petrel_push_waiting", "Pushes that wait for the session store", () => this.#queue.length);
  }

  /** Is something waiting? What comes now would fail too. */
  get waits(): boolean {
    return this.#queue.length > 0;
  }

  /** @param bytes about what `run` keeps in memory. */
  add(run: () => Promise<void> | void, bytes: number): void {
    if (this.#stopped) return;
    if (this.#queue.length >= MOST || this.#bytes + bytes > MOST_BYTES) this.#giveUp();
    else {
      this.#queue.push({ run, bytes, untilMs: this.#deps.clock.mono() + GIVE_UP_MS });
      this.#bytes += bytes;
    }
    this.#later();
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    this.#timer?.stop();
    this.#take(this.#queue.length);
  }

  #later(): void {
    if (this.#timer || this.#trying || this.#stopped) return;
    this.#timer = this.#deps.clock.after(this.#pauseMs, () => {
      this.#timer = undefined;
      void this.#try();
    });
  }

  async #try(): Promise<void> {
    this.#trying = true;
    try {
      await this.#turn();
    } finally {
      this.#trying = false;
      if (this.#queue.length > 0 || this.#lost) this.#later();
    }
  }

  /** One as a probe, then the others. */
  async #turn(): Promise<void> {
    const { clock, probe, look } = this.#deps;
    while ((this.#queue[0]?.untilMs ?? Infinity) <= clock.mono()) {
      this.#take(1);
      this.#giveUp();
    }
    const [first] = this.#take(1);
    if (!await this.#works(first ?? { run: async () => void await probe(), bytes: 0, untilMs: Infinity })) {
      this.#pauseMs = Math.min(this.#pauseMs * 2, PAUSE.mostMs);
      if (this.#lost && clock.mono() >= this.#lookedMs + LOOK_EVERY_MS) {
        this.#lookedMs = clock.mono(); // heads come from the message store: looking works without the session store
        look();
      }
      return;
    }
    this.#pauseMs = PAUSE.firstMs;
    if (this.#lost) {
      this.#lost = false;
      look();
    }
    while (this.#queue.length > 0) {
      const worked = await Promise.all(this.#take(AT_ONCE).map((one) => this.#works(one)));
      if (!worked.every(Boolean)) return;
    }
  }

  /** False: it waits again. */
  async #works(one: Waiting): Promise<boolean> {
    try {
      await one.run();
      if (one.bytes > 0) this.#retried.inc();
      return true;
    } catch (thrown) {
      if (!mayWork(thrown)) {
        this.#deps.log.error("delivery failed for good", { error: ImError.from(thrown) });
        return true;
      }
      if (one.bytes > 0 && !this.#stopped) {
        this.#queue.push(one);
        this.#bytes += one.bytes;
      }
      return false;
    }
  }

  #take(count: number): Waiting[] {
    const taken = this.#queue.splice(0, count);
    for (const { bytes } of taken) this.#bytes -= bytes;
    return taken;
  }

  #giveUp(): void {
    this.#givenUp.inc();
    if (!this.#lost) this.#deps.log.warn("pushes are given up: gateways will look for what they lack", {});
    this.#lost = true;
  }
}

/** A mistake in the program fails each time. */
export function mayWork(thrown: unknown): boolean {
  return thrown instanceof ImError;
}
