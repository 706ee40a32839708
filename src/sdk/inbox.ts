import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import * as pkt from "../protocol/gen/pkt_messages.ts";
import { SYNC } from "./commands.ts";
import type { Requests } from "./connection.ts";
import type { Delivery } from "./delivery.ts";
import { HELD, LogCursor, type LogPage } from "./log_cursor.ts";
import type { Arrival } from "./message.ts";

/** An account without an inbox has this epoch: the real one comes with the first message. */
const NO_LOG = "0";

/** What the inbox asks of its owner. */
export interface InboxPort {
  /** A row of a page. */
  read(row: pkt.MessagePush): Arrival;
  /** That stands at that position of the log with that number; pos 0: at none. */
  give(pos: number, arrival: Arrival | undefined, log: number): void;
  /** The log got another name, or is another one (`Inbox.log` changed). */
  renamed(): void;
}

/** The account's inbox: a cursor over its positions, pulled by pages with chat.sync, and the name of the log they belong to. */
export class Inbox {
  readonly #port: InboxPort;
  readonly #delivery: Delivery;
  readonly #log: Logger;
  readonly #positions: LogCursor;
  #epoch = "";
  #logs = 0;

  constructor(port: InboxPort, delivery: Delivery, clock: Clock, random: () => number, log: Logger) {
    this.#port = port;
    this.#delivery = delivery;
    this.#log = log;
    this.#positions = new LogCursor(
      {
        pull: (requests, range, page, failed) => {
          const body = requests.codec.encode(pkt.SyncReq, range);
          requests.request(SYNC, "", body, (answer) => {
            page(this.#checked(requests.codec.decode(pkt.SyncResp, answer)));
          }, failed);
        },
        posOf: (row) => row.userSeq,
        read: (row) => port.read(row),
        give: (pos, arrival) => port.give(pos, arrival, this.#logs),
        // A cursor without a name would be worth nothing at the next login.
        named: () => this.#epoch !== NO_LOG,
      },
      delivery,
      clock,
      random,
      log,
    );
  }

  /** Every position up to here was given to the delivery. */
  get cursor(): number {
    return this.#positions.cursor;
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
    this.#positions.begin(cursor);
    this.#epoch = epoch;
  }

  /** The login was answered. What is to be fetched is fetched now; pushes may come from here on. */
  start(requests: Requests, login: pkt.LoginResp): void {
    const known = this.#epoch;
    const log = this.#logs;
    this.#epoch = login.epoch;
    if (!login.recovered) {
      // A new device goes on where the account's reading stopped.
      if (known === "") this.#positions.moveTo(login.acked);
      else if (login.reason === "epoch" || known !== login.epoch) this.#begin();
    }
    this.#positions.start(requests, login.head, !login.recovered);
    if (known !== login.epoch || log !== this.#logs) this.#port.renamed();
  }

  /** The connection is gone: what was held comes again. */
  stop(): void {
    this.#positions.stop();
  }

  /** That stands at that position. */
  offer(pos: number, arrival: Arrival): void {
    if (pos === 0) this.#aside(arrival);
    else this.#positions.offer(pos, arrival);
  }

  /** The inbox goes at least that far. */
  head(pos: number): void {
    this.#positions.head(pos);
  }

  /** The delivery can take steps again. */
  roomAgain(): void {
    this.#positions.next();
  }

  /** A message without a position: there is nothing to order it by, and it cannot be fetched again. */
  #aside(arrival: Arrival): void {
    if (this.#delivery.room > -HELD.most) return this.#port.give(0, arrival, this.#logs);
    const messageId = String(arrival.messageId);
    this.#log.warn("message without position dropped: handlers are too slow", { messageId });
  }

  /** Another log: from its beginning. */
  #begin(): void {
    this.#positions.begin(0);
    this.#logs++;
  }

  /** A page of another log says only that there is one. */
  #checked(page: pkt.SyncResp): LogPage {
    if (page.epoch === this.#epoch) return page;
    const remade = this.#epoch !== "" && this.#epoch !== NO_LOG;
    this.#epoch = page.epoch;
    if (remade) this.#begin();
    this.#port.renamed();
    return remade ? { messages: [], scannedTo: 0, head: page.head } : page;
  }
}
