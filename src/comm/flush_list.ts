import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import { Outbox } from "./outbox.ts";

/** Something with packets to hand over. */
export interface Flushable {
  flush(): void;
}

/** Outboxes kept for the next tick. */
const SPARES = 1024;
/** An outbox whose list grew larger is not kept. */
const SPARE_PACKETS = 1024;

/** The channels that got something in this tick, all flushed at its end: one write per channel and tick. */
export class FlushList {
  /** Monotonic ms when this tick's first channel was added. */
  addedMs = 0;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #run: () => void;
  readonly #spares: Outbox[] = [];
  #waiting: Flushable[] = [];
  #other: Flushable[] = [];

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
    this.#run = () => this.run();
  }

  /** Adds one that is not in it. */
  add(one: Flushable): void {
    if (this.#waiting.push(one) > 1) return;
    this.addedMs = Math.ceil(this.#clock.mono());
    this.#clock.endOfTick(this.#run);
  }

  /** Flushes now what waits; the rest of the tick begins a new list. */
  run(): void {
    const list = this.#waiting;
    this.#waiting = this.#other;
    for (let i = 0; i < list.length; i++) {
      try {
        list[i]!.flush();
      } catch (thrown) {
        this.#log.error("flushing a channel failed", { error: thrown });
      }
    }
    list.length = 0;
    this.#other = list;
  }

  outbox(): Outbox {
    return this.#spares.pop() ?? new Outbox();
  }

  /** Takes an outbox back whose packets have all left. */
  recycle(outbox: Outbox): void {
    if (this.#spares.length >= SPARES || outbox.packets.length > SPARE_PACKETS) return;
    outbox.empty();
    this.#spares.push(outbox);
  }
}
