import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { InboxEntry, InboxMessage, InboxPage, StoredContent } from "../message_store.ts";
import { positionInFan } from "./fan.ts";
import type { GroupReader } from "./group_reader.ts";
import type { FullRange } from "./messages.ts";
import type { Names } from "./names.ts";
import { big, int, maybeBytes, maybeText, MESSAGE_COLUMNS, type Row, text } from "./rows.ts";
import { KIND } from "./schema.ts";
import { lastBefore, NEAREST } from "./since.ts";
import { type Entry, headFrom, NO_HEAD, type View } from "./views.ts";

/** Reads on its own connection, so that no read waits for a commit. Synchronous. */
export class Reader {
  readonly #groups: GroupReader;
  readonly #names: Names;
  readonly #selectLog: StatementSync;
  readonly #selectHead: StatementSync;
  readonly #nearest: StatementSync;
  readonly #selectRange: StatementSync;
  readonly #selectDirection: StatementSync;
  readonly #selectMessage: StatementSync;
  readonly #selectFan: StatementSync;
  readonly #selectMade: StatementSync;
  readonly #selectCursor: StatementSync;
  readonly #selectApp: StatementSync;

  constructor(db: DatabaseSync, names: Names, groups: GroupReader) {
    this.#names = names;
    this.#groups = groups;
    const columns = `SELECT pos, message, direction, peer, grp, coalesce(sent, send_time) AS send_time FROM entries
      WHERE log = ? AND pos > ? AND pos <= ? AND message != 0 AND coalesce(sent, send_time) >= ?`;
    this.#selectLog = big64(db, "SELECT id, epoch, trimmed FROM logs WHERE app = ? AND kind = ? AND name = ?");
    this.#selectHead = db.prepare("SELECT pos FROM entries WHERE log = ? ORDER BY pos DESC LIMIT 1");
    this.#nearest = big64(db, NEAREST);
    this.#selectRange = big64(db, `${columns} ORDER BY pos LIMIT ?`);
    this.#selectDirection = big64(db, `${columns} AND direction = ? ORDER BY pos LIMIT ?`);
    this.#selectMessage = big64(db, `SELECT ${MESSAGE_COLUMNS} FROM messages WHERE id = ?`);
    this.#selectFan = db.prepare("SELECT fan FROM messages WHERE id = ?");
    this.#selectMade = db.prepare("SELECT pos FROM entries WHERE message = ? AND log = ? AND sent IS NOT NULL");
    this.#selectApp = db.prepare("SELECT app FROM logs WHERE id = ?");
    this.#selectCursor = db.prepare("SELECT pos FROM cursors WHERE account = ? AND device = ?");
  }

  /** A log of which everything is in the database. */
  view(app: string, kind: number, name: string): View | undefined {
    const row = this.#selectLog.get(app, kind, name);
    if (!row) return undefined;
    const id = int(row, "id"), trimmed = int(row, "trimmed");
    const last = this.#selectHead.get(id);
    const head = last ? int(last, "pos") : trimmed;
    return { id, epoch: String(big(row, "epoch")), trimmed, written: head, head, tail: [] };
  }

  entries(view: View | undefined, range: FullRange): InboxPage<InboxEntry> {
    return this.#page(view, range, (entry) => this.#entry(entry));
  }

  messages(account: string, view: View | undefined, range: FullRange): InboxPage<InboxMessage> {
    return this.#page(view, range, (entry) => {
      const row = this.#message(entry.message);
      if (!row) return undefined; // removed since the row was read
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

  /** Of the whole app when the account is "". */
  contents(app: string, account: string, ids: readonly bigint[]): (StoredContent | undefined)[] {
    const log = this.#logId(app, account);
    const may = (row: Row) => account === "" ? this.#isOf(row, app) : log !== undefined && this.#maySee(row, log);
    return ids.map((messageId) => {
      const row = this.#message(messageId);
      if (!row || !may(row)) return undefined;
      return { messageId, type: int(row, "type"), body: text(row, "body"), extra: text(row, "extra") };
    });
  }

  position(app: string, account: string, messageId: bigint): number | undefined {
    const log = this.#logId(app, account);
    const row = log === undefined ? undefined : this.#message(messageId);
    return row && log !== undefined ? this.#positionIn(row, log) : undefined;
  }

  acked(app: string, account: string, device: string): number {
    const log = this.#logId(app, account);
    const row = log === undefined ? undefined : this.#selectCursor.get(log, device);
    return row ? int(row, "pos") : 0;
  }

  #page<Shown>(view: View | undefined, range: FullRange, show: (entry: Entry) => Shown | undefined): InboxPage<Shown> {
    if (!view) return { rows: [], head: NO_HEAD, scannedTo: range.after };
    const entries = this.#written(view, range);
    for (const one of view.tail) {
      if (entries.length < range.limit) entries.push(one);
    }
    const full = entries.length >= range.limit;
    return {
      rows: entries.map(show).filter((row) => row !== undefined),
      head: headFrom(view.head, view.trimmed, view.epoch),
      scannedTo: full ? entries.at(-1)?.pos ?? range.after : Math.max(range.after, Math.min(range.upTo, view.head)),
    };
  }

  #written(view: View, range: FullRange): Entry[] {
    const upTo = Math.min(range.upTo, view.written);
    const { since } = range;
    const after = since > 0n ? lastBefore(this.#nearest, view.id, since, range.after, upTo) : range.after;
    const rows = range.direction === undefined
      ? this.#selectRange.all(view.id, after, upTo, since, range.limit)
      : this.#selectDirection.all(view.id, after, upTo, since, range.direction, range.limit);
    return rows.map(entryOf);
  }

  #entry(entry: Entry): InboxEntry {
    return {
      pos: entry.pos,
      messageId: entry.message,
      direction: entry.direction,
      peer: this.#names.get(entry.peer),
      group: entry.group === undefined ? "" : this.#names.get(entry.group),
      sendTime: entry.sendTime,
    };
  }

  #logId(app: string, account: string): number | undefined {
    const row = this.#selectLog.get(app, KIND.account, account);
    return row && int(row, "id");
  }

  #message(id: bigint): Row | undefined {
    return this.#selectMessage.get(id);
  }

  #isOf(row: Row, app: string): boolean {
    const log = this.#selectApp.get(int(row, "conversation"));
    return log !== undefined && text(log, "app") === app;
  }

  /** A message of a large group may be seen before it has a row. */
  #maySee(row: Row, log: number): boolean {
    const room = row["receiver"] === null && int(row, "fanned") === 0;
    if (!room) return this.#positionIn(row, log) !== undefined;
    const seq = int(row, "seq");
    return this.#groups.stays(int(row, "conversation"), log).some(({ after, upTo }) => seq > after && seq <= upTo);
  }

  /** The position of a message in that account's log; undefined: the account is not a party, or has no row yet. */
  #positionIn(row: Row, log: number): number | undefined {
    if (row["receiver"] === null) return this.#positionInGroup(row, log);
    if (int(row, "sender") === log) return int(row, "sender_pos");
    return int(row, "receiver") === log ? int(row, "receiver_pos") : undefined;
  }

  #positionInGroup(row: Row, log: number): number | undefined {
    const id = big(row, "id");
    if (int(row, "fanned") === 0) {
      const made = this.#selectMade.get(id, log);
      return made && int(made, "pos");
    }
    const fan = maybeBytes(this.#selectFan.get(id) ?? { fan: null }, "fan");
    return fan && positionInFan(fan, log);
  }
}

function big64(db: DatabaseSync, sql: string): StatementSync {
  const statement = db.prepare(sql);
  statement.setReadBigInts(true);
  return statement;
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
