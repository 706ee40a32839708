import { Backoff } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import type { ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type * as pkt from "../protocol/gen/pkt_messages.ts";
import { PAGES } from "../protocol/limits.ts";
import type { Requests } from "./connection.ts";
import type { Delivery } from "./delivery.ts";
import type { Arrival } from "./message.ts";

/** A hole may close by itself for so long: pushes of two logic servers overtake each other. */
const HOLE_MS = 300;
/** The head may be above the cursor for so long: its push is on the way. */
const LAG_MS = 1_000;
/** Rows held above a hole: more than these are not waited for, and no more than those are kept. */
export const HELD = { patient: 64, most: 256 } as const;

/** A page of a log. */
export interface LogPage {
  readonly messages: readonly pkt.MessagePush[];
  /** Every position up to here was looked at. */
  readonly scannedTo: number;
  readonly head: number;
}

/** Which log it is. */
export interface LogPort {
  /**
   * Asks for what is above `after`, at most `limit` rows, up to `upTo` (0: the head). One of the two functions is called
   * later, or none once another connection is there.
   */
  pull(
    requests: Requests,
    range: { readonly after: number; readonly limit: number; readonly upTo: number },
    page: (page: LogPage) => void,
    failed: (error: ImError) => void,
  ): void;
  /** The position of a row of a page. */
  posOf(row: pkt.MessagePush): number;
  read(row: pkt.MessagePush): Arrival;
  /** That is next; undefined: nothing stands there, or it is not to be handed over. */
  give(pos: number, arrival: Arrival | undefined): void;
  /** Is it known which log it is? Else nothing is given before a page has told it. */
  named(): boolean;
}

/**
 * A cursor over a log (an account's inbox, a large group's messages), whatever order packets come in:
 *
 *   not above → drop      next → give      above → hold; 300 ms later, or at once when many are held, pull
 *
 * What is known to exist (`#wanted`) but did not come is pulled by pages. While `#behind`, pulls go on until the cursor
 * has reached it; what comes meanwhile is held and follows.
 */
export class LogCursor {
  readonly #port: LogPort;
  readonly #delivery: Delivery;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #backoff: Backoff;
  readonly #held = new Map<number, Arrival>();
  #requests: Requests | undefined;
  #cursor: number;
  #wanted: number;
  #behind = false;
  #pulling = false;
  #hole: { readonly at: number; readonly timer: Timer } | undefined;
  #lag: Timer | undefined;
  #retry: Timer | undefined;

  /** @param cursor everything up to here was given */
  constructor(port: LogPort, delivery: Delivery, clock: Clock, random: () => number, log: Logger, cursor = 0) {
    this.#port = port;
    this.#delivery = delivery;
    this.#clock = clock;
    this.#log = log;
    this.#backoff = new Backoff(random, { baseMs: 1_000, maxMs: 15_000 });
    this.#cursor = this.#wanted = cursor;
  }

  /** Every position up to here was given. */
  get cursor(): number {
    return this.#cursor;
  }

  /** Connected: the log goes up to `head`. `behind`: what lacks does not come by itself. */
  start(requests: Requests, head: number, behind: boolean): void {
    this.#requests = requests;
    this.#wanted = this.#cursor;
    this.#behind = behind;
    this.head(head);
    this.next();
  }

  /** The connection is gone: what was held comes again. */
  stop(): void {
    this.#requests = undefined;
    this.#pulling = false;
    this.#held.clear();
    for (const timer of [this.#hole?.timer, this.#lag, this.#retry]) timer?.stop();
    this.#hole = this.#lag = this.#retry = undefined;
  }

  /** That stands at that position. */
  offer(pos: number, arrival: Arrival): void {
    if (pos <= this.#cursor) return;
    if (pos > this.#wanted) this.#wanted = pos;
    if (this.#held.size >= HELD.most && pos !== this.#cursor + 1) this.#behind = true;
    else if (!this.#held.has(pos)) this.#held.set(pos, arrival);
    if (this.#held.size > HELD.patient || !this.#port.named()) this.#behind = true;
    this.next();
  }

  /** The log goes at least that far. */
  head(pos: number): void {
    if (pos > this.#wanted) this.#wanted = pos;
    this.#watchLag();
  }

  /** Another log: from there. */
  begin(cursor: number): void {
    this.#cursor = this.#wanted = cursor;
    this.#held.clear();
  }

  /** Nothing is to be given up to there. */
  moveTo(pos: number): void {
    this.#cursor = pos;
    if (pos > 0) this.#port.give(pos, undefined);
  }

  /** After every change, and when the delivery can take steps again: hands on what is next, then sees what is missing. */
  next(): void {
    this.#release();
    if (this.#cursor >= this.#wanted) {
      this.#behind = false;
      this.#lag?.stop();
      this.#lag = undefined;
    }
    if (this.#behind) this.#pull();
    this.#watchHole();
  }

  /** Gives what follows the cursor. Without room the rest stays; `next` goes on and fetches what was not kept. */
  #release(): void {
    if (!this.#port.named()) return;
    for (let held = this.#held.get(this.#cursor + 1); held; held = this.#held.get(this.#cursor + 1)) {
      if (this.#delivery.room <= 0) {
        this.#behind = true;
        return;
      }
      this.#held.delete(++this.#cursor);
      this.#port.give(this.#cursor, held);
    }
  }

  #pull(): void {
    if (!this.#requests || this.#pulling || this.#retry || this.#delivery.room <= 0) return;
    const requests = this.#requests;
    const after = this.#cursor;
    const upTo = this.#held.size === 0 ? 0 : Math.min(...this.#held.keys()) - 1;
    const limit = Math.min(PAGES.sync, this.#delivery.room, upTo === 0 ? PAGES.sync : upTo - after);
    this.#pulling = true;
    this.#port.pull(requests, { after, limit, upTo }, (page) => this.#page(page, after), (error) => {
      if (this.#requests !== requests) return; // the next login asks again
      this.#pulling = false;
      this.#log.warn("cannot sync", { after, error });
      this.#later();
    });
  }

  #page({ messages, scannedTo, head }: LogPage, after: number): void {
    this.#pulling = false;
    for (const row of messages) {
      const pos = this.#port.posOf(row);
      if (pos > scannedTo) scannedTo = pos;
      if (pos > this.#cursor && !this.#held.has(pos)) this.#held.set(pos, this.#port.read(row));
    }
    this.#passTo(scannedTo);
    if (head > this.#wanted) this.#wanted = head;
    if (this.#cursor !== after) this.#backoff.reset();
    else if (this.#cursor < this.#wanted) return this.#later();
    this.next();
  }

  /** All positions up to `pos` were looked at: those of which nothing is held were trimmed. */
  #passTo(pos: number): void {
    for (const one of [...this.#held.keys()].filter((key) => key <= pos).sort((a, b) => a - b)) {
      const held = this.#held.get(one);
      if (!held) continue;
      if (this.#delivery.room <= 0) {
        this.#behind = true;
        return;
      }
      this.#held.delete(one);
      this.#cursor = one;
      this.#port.give(one, held);
    }
    if (pos > this.#cursor) this.moveTo(pos);
  }

  #later(): void {
    this.#retry ??= this.#clock.after(this.#backoff.next(), () => {
      this.#retry = undefined;
      this.#behind = true;
      this.next();
    });
  }

  /** Pulls when the same hole is there for 300 ms. */
  #watchHole(): void {
    const idle = this.#pulling || this.#retry !== undefined || this.#delivery.room <= 0;
    const at = idle || this.#held.size === 0 ? undefined : this.#cursor;
    if (this.#hole?.at === at) return;
    this.#hole?.timer.stop();
    this.#hole = at === undefined ? undefined : {
      at,
      timer: this.#clock.after(HOLE_MS, () => {
        this.#hole = undefined;
        this.#behind = true;
        this.next();
      }),
    };
  }

  /** Pulls when something is known to exist and the cursor has not moved towards it for a second. */
  #watchLag(): void {
    if (this.#lag || !this.#requests || this.#wanted <= this.#cursor) return;
    const from = this.#cursor;
    this.#lag = this.#clock.after(LAG_MS, () => {
      this.#lag = undefined;
      if (this.#cursor === from) this.#behind = true;
      this.next();
      this.#watchLag();
    });
  }
}
