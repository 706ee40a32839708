import { Backoff } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import * as pkt from "../protocol/gen/pkt_messages.ts";
import { PAGES } from "../protocol/limits.ts";
import { SYNC } from "./commands.ts";
import type { Requests } from "./connection.ts";
import type { Delivery } from "./delivery.ts";
import type { Message } from "./message.ts";

/** A hole may close by itself for so long: pushes of two logic servers overtake each other. */
const HOLE_MS = 300;
/** The head may be above the cursor for so long: its push is on the way. */
const LAG_MS = 1_000;
/** Steps held above a hole: more than these are not waited for, and no more than those are kept. */
const HELD = { patient: 64, most: 256 } as const;
/** An account without an inbox has this epoch: the real one comes with the first message. */
const NO_LOG = "0";

/** What the inbox asks of its owner. */
export interface InboxPort {
  /** A row of a page, as the message to hand over; undefined for one that this client sent itself. */
  read(row: pkt.MessagePush): Message | undefined;
  /** The log got another name, or is another one (`Inbox.log` changed). */
  renamed(): void;
}

interface Held {
  readonly messageId: bigint;
  readonly message: Message | undefined;
}

/**
 * The account's inbox as a cursor over its positions, whatever order packets come in:
 *
 *   not above → drop      next → deliver      above → hold; 300 ms later, or at once when many are held, pull
 *
 * What is known to exist (`#wanted`) but did not come is pulled by pages with chat.sync. While `#behind`, pulls go on
 * until the cursor has reached it; pushes that come meanwhile are held and follow.
 */
export class Inbox {
  readonly #port: InboxPort;
  readonly #delivery: Delivery;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #backoff: Backoff;
  readonly #held = new Map<number, Held>();
  #requests: Requests | undefined;
  #cursor = 0;
  #epoch = "";
  #logs = 0;
  #wanted = 0;
  #behind = false;
  #pulling = false;
  #hole: { readonly at: number; readonly timer: Timer } | undefined;
  #lag: Timer | undefined;
  #retry: Timer | undefined;

  constructor(port: InboxPort, delivery: Delivery, clock: Clock, random: () => number, log: Logger) {
    this.#port = port;
    this.#delivery = delivery;
    this.#clock = clock;
    this.#log = log;
    this.#backoff = new Backoff(random, { baseMs: 1_000, maxMs: 15_000 });
  }

  /** Every position up to here was given to the delivery. */
  get cursor(): number {
    return this.#cursor;
  }

  /** Names the log; "" when none is known yet. */
  get epoch(): string {
    return this.#epoch;
  }

  /** Steps of another number belong to a log that is no more. */
  get log(): number {
    return this.#logs;
  }

  /** What an earlier run saved. */
  restore(cursor: number, epoch: string): void {
    this.#cursor = this.#wanted = cursor;
    this.#epoch = epoch;
  }

  /** The login was answered. What is to be fetched is fetched now; pushes may come from here on. */
  start(requests: Requests, login: pkt.LoginResp): void {
    this.#requests = requests;
    const known = this.#epoch;
    const log = this.#logs;
    this.#epoch = login.epoch;
    if (!login.recovered) {
      // A new device goes on where the account's reading stopped.
      if (known === "") this.#moveTo(login.acked);
      else if (login.reason === "epoch" || known !== login.epoch) this.#begin();
    }
    this.#wanted = this.#cursor;
    this.#behind = !login.recovered;
    this.head(login.head);
    this.#next();
    if (known !== login.epoch || log !== this.#logs) this.#port.renamed();
  }

  /** The connection is gone: what was held comes again. */
  stop(): void {
    this.#requests = undefined;
    this.#pulling = false;
    this.#held.clear();
    for (const timer of [this.#hole?.timer, this.#lag, this.#retry]) timer?.stop();
    this.#hole = this.#lag = this.#retry = undefined;
  }

  /** Something stands at that position: a message, or (undefined) one of ours that needs no handing over. */
  offer(pos: number, messageId: bigint, message: Message | undefined): void {
    if (pos === 0) return this.#aside(messageId, message);
    if (pos <= this.#cursor) return;
    if (pos > this.#wanted) this.#wanted = pos;
    if (this.#held.size >= HELD.most && pos !== this.#cursor + 1) this.#behind = true;
    else if (!this.#held.has(pos)) this.#held.set(pos, { messageId, message });
    if (this.#held.size > HELD.patient) this.#behind = true;
    this.#next();
  }

  /** The inbox goes at least that far. */
  head(pos: number): void {
    if (pos > this.#wanted) this.#wanted = pos;
    this.#watchLag();
  }

  /** The delivery can take steps again. */
  roomAgain(): void {
    this.#next();
  }

  /** A message without a position: there is nothing to order it by, and it cannot be fetched again. */
  #aside(messageId: bigint, message: Message | undefined): void {
    if (this.#delivery.room > -HELD.most) return this.#give(0, { messageId, message });
    this.#log.warn("message without position dropped: handlers are too slow", { messageId: String(messageId) });
  }

  /** Another log: from its beginning. */
  #begin(): void {
    this.#cursor = this.#wanted = 0;
    this.#logs++;
    this.#held.clear();
  }

  /** After every change: hand on what is next, then see what is missing. */
  #next(): void {
    this.#release();
    if (this.#cursor >= this.#wanted) {
      this.#behind = false;
      this.#lag?.stop();
      this.#lag = undefined;
    }
    if (this.#behind || this.#nameless) this.#pull();
    this.#watchHole();
  }

  /** Messages came, but the log has no name yet: a cursor without one is worth nothing at the next login. */
  get #nameless(): boolean {
    return this.#epoch === NO_LOG && this.#cursor > 0;
  }

  /** Gives what follows the cursor. Without room the rest stays; `roomAgain` goes on and fetches what was not kept. */
  #release(): void {
    for (let held = this.#held.get(this.#cursor + 1); held; held = this.#held.get(this.#cursor + 1)) {
      if (this.#delivery.room <= 0) {
        this.#behind = true;
        return;
      }
      this.#held.delete(++this.#cursor);
      this.#give(this.#cursor, held);
    }
  }

  #give(pos: number, { messageId, message }: Held): void {
    this.#delivery.add({ pos, messageId, message, log: this.#logs });
  }

  #pull(): void {
    if (!this.#requests || this.#pulling || this.#retry || this.#delivery.room <= 0) return;
    const requests = this.#requests;
    const after = this.#cursor;
    const upTo = this.#held.size === 0 ? 0 : Math.min(...this.#held.keys()) - 1;
    const limit = Math.min(PAGES.sync, this.#delivery.room, upTo === 0 ? PAGES.sync : upTo - after);
    this.#pulling = true;
    requests.request(
      SYNC,
      "",
      requests.codec.encode(pkt.SyncReq, { after, limit, upTo }),
      (body) => this.#page(requests.codec.decode(pkt.SyncResp, body), after),
      (error) => {
        if (this.#requests !== requests) return; // the next login asks again
        this.#pulling = false;
        this.#log.warn("cannot sync", { after, error });
        this.#later();
      },
    );
  }

  #page(page: pkt.SyncResp, after: number): void {
    this.#pulling = false;
    if (page.epoch !== this.#epoch && this.#rename(page.epoch)) {
      this.#wanted = page.head;
      this.#behind = true;
      return this.#next();
    }
    let scannedTo = page.scannedTo;
    for (const row of page.messages) {
      const pos = row.userSeq;
      if (pos > scannedTo) scannedTo = pos;
      if (pos <= this.#cursor || this.#held.has(pos)) continue;
      this.#held.set(pos, { messageId: row.messageId, message: this.#port.read(row) });
    }
    this.#passTo(scannedTo);
    if (page.head > this.#wanted) this.#wanted = page.head;
    if (this.#cursor > after) this.#backoff.reset();
    else if (this.#cursor < this.#wanted || this.#nameless) return this.#later();
    this.#next();
  }

  /** Tells whether that name is another log's, and not only the first one. */
  #rename(epoch: string): boolean {
    const remade = this.#epoch !== "" && this.#epoch !== NO_LOG;
    this.#epoch = epoch;
    if (remade) this.#begin();
    this.#port.renamed();
    return remade;
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
      this.#give(one, held);
    }
    if (pos > this.#cursor) this.#moveTo(pos);
  }

  #moveTo(pos: number): void {
    this.#cursor = pos;
    if (pos > 0) this.#give(pos, { messageId: 0n, message: undefined });
  }

  #later(): void {
    this.#retry ??= this.#clock.after(this.#backoff.next(), () => {
      this.#retry = undefined;
      this.#behind = true;
      this.#next();
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
        this.#next();
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
      this.#next();
      this.#watchLag();
    });
  }
}
