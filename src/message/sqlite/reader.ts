import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Direction, Head, InboxEntry, InboxMessage, InboxPage, StoredContent } from "../message_store.ts";
import type { FullRange } from "./messages.ts";
import { big, int, maybeText, MESSAGE_COLUMNS, type Row, text } from "./rows.ts";
import { KIND } from "./schema.ts";

const NAMES_KEPT = 100_000;
export const NO_HEAD: Head = { pos: 0, epoch: "0" };

/** A row as `entries` has it: logs as numbers. */
export interface Entry {
  readonly pos: number;
  readonly message: bigint;
  readonly direction: Direction;
  readonly peer: number;
  readonly group: number | undefined;
  readonly sendTime: bigint;
}

/** What the reader needs of a log: rows up to `written` are in the database, `tail` has those above. */
export interface View {
  readonly id: number;
  readonly epoch: string;
  readonly written: number;
  readonly head: number;
  /** Rows above `written` that are in the range asked for, filtered, at most `limit`. */
  readonly tail: readonly Entry[];
}

/** Reads on its own connection, so that no read waits for a commit. Synchronous. */
export class Reader implements Disposable {
  readonly #db: DatabaseSync;
  readonly #names = new Map<number, string>();
  readonly #selectLog: StatementSync;
  readonly #selectName: StatementSync;
  readonly #selectHead: StatementSync;
  readonly #selectTime: StatementSync;
  readonly #selectRange: StatementSync;
  readonly #selectDirection: StatementSync;
  readonly #selectMessage: StatementSync;
  readonly #selectCursor: StatementSync;

  constructor(db: DatabaseSync) {
    this.#db = db;
    const columns =
      "SELECT pos, message, direction, peer, grp, send_time FROM entries WHERE log = ? AND pos > ? AND pos <= ?";
    this.#selectLog = big64(db, "SELECT id, epoch FROM logs WHERE app = ? AND kind = ? AND name = ?");
    this.#selectName = db.prepare("SELECT name FROM logs WHERE id = ?");
    this.#selectHead = db.prepare("SELECT pos FROM entries WHERE log = ? ORDER BY pos DESC LIMIT 1");
    this.#selectTime = big64(db, "SELECT send_time FROM entries WHERE log = ? AND pos = ?");
    this.#selectRange = big64(db, `${columns} ORDER BY pos LIMIT ?`);
    this.#selectDirection = big64(db, `${columns} AND direction = ? ORDER BY pos LIMIT ?`);
    this.#selectMessage = big64(db, `SELECT ${MESSAGE_COLUMNS} FROM messages WHERE id = ?`);
    this.#selectCursor = db.prepare("SELECT pos FROM cursors WHERE account = ? AND device = ?");
  }

  /** The log of an account of which everything is in the database. */
  view(app: string, account: string): View | undefined {
    const row = this.#log(app, account);
    if (!row) return undefined;
    const id = int(row, "id");
    const last = this.#selectHead.get(id);
    const head = last ? int(last, "pos") : 0;
    return { id, epoch: String(big(row, "epoch")), written: head, head, tail: [] };
  }

  entries(view: View | undefined, range: FullRange): InboxPage<InboxEntry> {
    return this.#page(view, range, (entry) => this.#entry(entry));
  }

  messages(account: string, view: View | undefined, range: FullRange): InboxPage<InboxMessage> {
    return this.#page(view, range, (entry) => {
      const row = this.#message(entry.message);
      if (!row) throw new Error(`Cannot read message ${entry.message}: it is not there`);
      const shown = this.#entry(entry);
      return {
        ...shown,
        seq: int(row, "seq"),
        type: int(row, "type"),
        body: text(row, "body"),
        extra: text(row, "extra"),
        sender: entry.direction === 1 ? account : shown.peer,
        clientMsgId: maybeText(row, "client_msg_id"),
      };
    });
  }

  contents(app: string, account: string, ids: readonly bigint[]): (StoredContent | undefined)[] {
    const log = this.#logId(app, account);
    return ids.map((messageId) => {
      const row = log === undefined ? undefined : this.#message(messageId);
      if (!row || positionIn(row, log) === undefined) return undefined;
      return { messageId, type: int(row, "type"), body: text(row, "body"), extra: text(row, "extra") };
    });
  }

  position(app: string, account: string, messageId: bigint): number | undefined {
    const log = this.#logId(app, account);
    const row = log === undefined ? undefined : this.#message(messageId);
    return row && positionIn(row, log);
  }

  acked(app: string, account: string, device: string): number {
    const log = this.#logId(app, account);
    const row = log === undefined ? undefined : this.#selectCursor.get(log, device);
    return row ? int(row, "pos") : 0;
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #page<Shown>(view: View | undefined, range: FullRange, show: (entry: Entry) => Shown): InboxPage<Shown> {
    if (!view) return { rows: [], head: NO_HEAD, scannedTo: range.after };
    const entries = this.#written(view, range);
    for (const one of view.tail) {
      if (entries.length < range.limit) entries.push(one);
    }
    const full = entries.length >= range.limit;
    return {
      rows: entries.map(show),
      head: { pos: view.head, epoch: view.epoch },
      scannedTo: full ? entries.at(-1)?.pos ?? range.after : Math.max(range.after, Math.min(range.upTo, view.head)),
    };
  }

  #written(view: View, range: FullRange): Entry[] {
    const upTo = Math.min(range.upTo, view.written);
    const after = range.since > 0n ? this.#lastBefore(view.id, range.since, range.after, upTo) : range.after;
    const rows = range.direction === undefined
      ? this.#selectRange.all(view.id, after, upTo, range.limit)
      : this.#selectDirection.all(view.id, after, upTo, range.direction, range.limit);
    return rows.map(entryOf);
  }

  /** The last position in (after, upTo] that was sent before `since`, else `after`: times grow with positions. */
  #lastBefore(log: number, since: bigint, after: number, upTo: number): number {
    let below = after, above = upTo + 1;
    while (above - below > 1) {
      const middle = Math.floor((below + above) / 2);
      const row = this.#selectTime.get(log, middle);
      if (!row || big(row, "send_time") < since) below = middle;
      else above = middle;
    }
    return Math.max(after, below);
  }

  #entry(entry: Entry): InboxEntry {
    return {
      pos: entry.pos,
      messageId: entry.message,
      direction: entry.direction,
      peer: this.#name(entry.peer),
      group: entry.group === undefined ? "" : this.#name(entry.group),
      sendTime: entry.sendTime,
    };
  }

  #name(log: number): string {
    let name = this.#names.get(log);
    if (name === undefined) {
      const row = this.#selectName.get(log);
      if (!row) throw new Error(`Cannot read log ${log}: it is not there`);
      if (this.#names.size >= NAMES_KEPT) this.#names.clear();
      this.#names.set(log, name = text(row, "name"));
    }
    return name;
  }

  #log(app: string, account: string): Row | undefined {
    return this.#selectLog.get(app, KIND.account, account);
  }

  #logId(app: string, account: string): number | undefined {
    const row = this.#log(app, account);
    return row && int(row, "id");
  }

  #message(id: bigint): Row | undefined {
    return this.#selectMessage.get(id);
  }
}

function big64(db: DatabaseSync, sql: string): StatementSync {
  const statement = db.prepare(sql);
  statement.setReadBigInts(true);
  return statement;
}

/** The position of a message in that account's log; undefined: the account is not a party. */
function positionIn(row: Row, log: number | undefined): number | undefined {
  if (int(row, "sender") === log) return int(row, "sender_pos");
  return row["receiver"] !== null && int(row, "receiver") === log ? int(row, "receiver_pos") : undefined;
}

function entryOf(row: Row): Entry {
  return {
    pos: int(row, "pos"),
    message: big(row, "message"),
    direction: int(row, "direction") === 1 ? 1 : 0,
    peer: int(row, "peer"),
    group: row["grp"] === null ? undefined : int(row, "grp"),
    sendTime: big(row, "send_time"),
  };
}
