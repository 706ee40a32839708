import type { DatabaseSync, StatementSync } from "node:sqlite";
import { headOf, type Log } from "./logs.ts";
import { big, int, text } from "./rows.ts";
import { lastBefore, NEAREST } from "./since.ts";
import type { Tail } from "./tail.ts";

/** A message of a large group, as far as an inbox row needs it. */
export interface RoomEntry {
  readonly seq: number;
  readonly message: bigint;
  readonly sender: number;
  readonly sendTime: bigint;
}

/** Large groups' messages for one call that makes rows of many accounts: what these have in common is read once. */
export class RoomMessages {
  readonly #tail: Tail;
  readonly #selectName: StatementSync;
  readonly #selectLast: StatementSync;
  readonly #selectRows: StatementSync;
  readonly #nearest: StatementSync;

  constructor(db: DatabaseSync, tail: Tail) {
    this.#tail = tail;
    this.#selectName = db.prepare("SELECT name FROM logs WHERE id = ?");
    this.#selectLast = db.prepare("SELECT pos FROM entries WHERE log = ? ORDER BY pos DESC LIMIT 1");
    this.#selectRows = db.prepare(
      "SELECT pos, message, peer, send_time FROM entries WHERE log = ? AND pos > ? AND pos <= ? ORDER BY pos LIMIT ?",
    );
    this.#selectRows.setReadBigInts(true);
    this.#nearest = db.prepare(NEAREST);
    this.#nearest.setReadBigInts(true);
  }

  /** A group as it is now: of use until its log changes. @param since Unix ns: older messages are passed over. */
  of(group: number, since: bigint): RoomRange {
    const waiting = this.#tail.waiting(group);
    const last = waiting ? undefined : this.#selectLast.get(group);
    const head = waiting ? headOf(waiting) : last ? int(last, "pos") : 0;
    return new RoomRange(text(this.#selectName.get(group) ?? { name: null }, "name"), head, waiting, {
      before: (after, upTo) => lastBefore(this.#nearest, group, since, after, upTo),
      read: (after, upTo, most) => this.#selectRows.all(group, after, upTo, most).map(entryOf),
    }, since);
  }
}

interface Written {
  /** The last position in (after, upTo] of a message that is too old, else `after`. */
  before(after: number, upTo: number): number;
  read(after: number, upTo: number, most: number): RoomEntry[];
}

/** One group's messages: those that are written, read when first needed, and behind them those that wait. */
export class RoomRange {
  readonly name: string;
  readonly head: number;
  readonly #waiting: Log | undefined;
  readonly #database: Written;
  readonly #since: bigint;
  readonly #written: number;
  /** All that is above `after`, up to `upTo`. */
  #read: { readonly after: number; readonly upTo: number; readonly rows: readonly RoomEntry[] } | undefined;
  /** The last message above `after` that is too old. */
  #old: { readonly after: number; readonly upTo: number } | undefined;

  /** `RoomMessages` makes it. */
  constructor(name: string, head: number, waiting: Log | undefined, database: Written, since: bigint) {
    this.name = name;
    this.head = head;
    this.#waiting = waiting;
    this.#database = database;
    this.#since = since;
    this.#written = waiting ? waiting.written : head;
  }

  /** The last seq in (after, upTo] of a message that is too old, else `after`. */
  passedOver(after: number, upTo: number): number {
    if (!this.#old || after < this.#old.after) this.#old = { after, upTo: this.#lastOld(after) };
    return Math.max(after, Math.min(this.#old.upTo, upTo));
  }

  /** At most `most` messages in (after, upTo], by seq. */
  entries(after: number, upTo: number, most: number): RoomEntry[] {
    const found = this.#writtenIn(after, Math.min(upTo, this.#written), most);
    const { waiting = [], written = 0 } = this.#waiting ?? {};
    for (let seq = Math.max(after, written) + 1; seq <= upTo && found.length < most; seq++) {
      const one = waiting[seq - written - 1];
      if (!one) break;
      found.push({ seq, message: one.id, sender: one.sender, sendTime: one.sendTime });
    }
    return found;
  }

  /** Times grow with seqs: when a waiting one is too old, all that are written are. */
  #lastOld(after: number): number {
    const old = this.#waiting?.waiting.findLast((one) => one.sendTime < this.#since);
    return old ? old.seq : this.#database.before(after, this.#written);
  }

  #writtenIn(after: number, upTo: number, most: number): RoomEntry[] {
    if (after >= upTo) return [];
    const known = this.#read && after >= this.#read.after ? this.#within(this.#read.rows, after, upTo, most) : [];
    if (this.#read && after >= this.#read.after && (upTo <= this.#read.upTo || known.length === most)) return known;
    const rows = this.#database.read(after, upTo, most);
    this.#read = { after, upTo: rows.length < most ? upTo : rows.at(-1)?.seq ?? after, rows };
    return rows.slice();
  }

  #within(rows: readonly RoomEntry[], after: number, upTo: number, most: number): RoomEntry[] {
    const found: RoomEntry[] = [];
    for (let i = firstAbove(rows, after); i < rows.length && found.length < most; i++) {
      const one = rows[i]!;
      if (one.seq > upTo) break;
      found.push(one);
    }
    return found;
  }
}

/** Index of the first row above that seq. */
function firstAbove(rows: readonly RoomEntry[], seq: number): number {
  let low = 0, high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle]!.seq > seq) high = middle;
    else low = middle + 1;
  }
  return low;
}

function entryOf(row: Parameters<typeof int>[0]): RoomEntry {
  return {
    seq: int(row, "pos"),
    message: big(row, "message"),
    sender: int(row, "peer"),
    sendTime: big(row, "send_time"),
  };
}
