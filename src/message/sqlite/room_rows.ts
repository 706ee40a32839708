import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { MonotonicNs } from "../../base/monotonic_ns.ts";
import type { MadeRows } from "../group_store.ts";
import { headOf, type Log, type Logs } from "./logs.ts";
import { big, int, text } from "./rows.ts";
import { KIND } from "./schema.ts";
import { lastBefore, NEAREST } from "./since.ts";
import type { Flushed, Tail } from "./tail.ts";

/** A time in which an account was in a large group, as far as it has no rows yet. */
interface Window {
  readonly group: number;
  readonly name: string;
  readonly joinedSeq: number;
  /** Messages in (from, upTo] have no rows and were not passed over. */
  readonly from: number;
  readonly upTo: number;
  filled: number;
}

interface Candidate {
  readonly window: Window;
  readonly seq: number;
  readonly message: bigint;
  readonly sender: number;
  readonly sendTime: bigint;
}

/** Inbox rows for messages of large groups, made when an old client first needs them. */
export class RoomRows {
  readonly #logs: Logs;
  readonly #tail: Tail;
  readonly #times: MonotonicNs;
  readonly #selectWindows: StatementSync;
  readonly #selectRows: StatementSync;
  readonly #selectLast: StatementSync;
  readonly #nearest: StatementSync;
  readonly #insertEntry: StatementSync;
  readonly #fill: StatementSync;

  constructor(db: DatabaseSync, logs: Logs, tail: Tail, times: MonotonicNs) {
    this.#logs = logs;
    this.#tail = tail;
    this.#times = times;
    this.#selectWindows = db.prepare(
      `SELECT grp, logs.name, joined_seq, left_seq, max(filled, large_from) AS start, filled FROM conversations AS line
       JOIN groups ON groups.id = conversation JOIN logs ON logs.id = conversation
       JOIN group_members AS member ON grp = conversation AND member.account = line.account
       WHERE line.account = ? AND peer IS NULL AND large_from IS NOT NULL`,
    );
    this.#selectRows = db.prepare(
      "SELECT pos, message, peer, send_time FROM entries WHERE log = ? AND pos > ? AND pos <= ? ORDER BY pos LIMIT ?",
    );
    this.#selectRows.setReadBigInts(true);
    this.#selectLast = db.prepare("SELECT pos FROM entries WHERE log = ? ORDER BY pos DESC LIMIT 1");
    this.#nearest = db.prepare(NEAREST);
    this.#nearest.setReadBigInts(true);
    this.#insertEntry = db.prepare(
      `INSERT INTO entries (log, pos, message, direction, peer, grp, send_time, sent) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#fill = db.prepare("UPDATE group_members SET filled = ? WHERE grp = ? AND account = ? AND joined_seq = ?");
  }

  /** Makes at most `most` rows for one account and gives them with the head. `begin`: before something is written. */
  make(app: string, account: string, since: bigint, most: number, flushed: Flushed, begin: () => void): MadeRows {
    const log = this.#logs.find(app, KIND.account, account);
    if (!log) return { head: 0, rows: [] };
    const windows = this.#windows(log.id);
    const rows = windows.flatMap((window) => this.#candidates(window, since, most));
    rows.sort((a, b) => a.message < b.message ? -1 : 1);
    rows.length = Math.min(rows.length, most);
    for (const one of rows) one.window.filled = one.seq;
    const moved = windows.filter((one) => one.filled > one.from);
    if (moved.length === 0) return { head: headOf(log), rows: [] };
    begin();
    const made = this.#write(log, rows, flushed);
    for (const one of moved) {
      this.#fill.run(one.filled, one.group, log.id, one.joinedSeq);
    }
    return { head: headOf(log), rows: made };
  }

  #windows(account: number): Window[] {
    return this.#selectWindows.all(account).map((row) => {
      const group = int(row, "grp"), name = text(row, "name"), from = int(row, "start");
      const head = this.#headOf(group);
      const upTo = row["left_seq"] === null ? head : Math.min(head, int(row, "left_seq"));
      return { group, name, joinedSeq: int(row, "joined_seq"), from, upTo, filled: from };
    }).filter(({ from, upTo }) => from < upTo);
  }

  #headOf(group: number): number {
    const waiting = this.#tail.waiting(group);
    if (waiting) return headOf(waiting);
    const last = this.#selectLast.get(group);
    return last ? int(last, "pos") : 0;
  }

  #candidates(window: Window, since: bigint, most: number): Candidate[] {
    const { group, upTo } = window;
    const waiting = this.#tail.waiting(group);
    const written = waiting ? waiting.written : upTo;
    window.filled = lastBefore(this.#nearest, group, since, window.from, Math.min(written, upTo));
    const found = this.#selectRows.all(group, window.filled, upTo, most).map((row): Candidate => ({
      window,
      seq: int(row, "pos"),
      message: big(row, "message"),
      sender: int(row, "peer"),
      sendTime: big(row, "send_time"),
    }));
    for (const one of waiting?.waiting ?? []) {
      if (one.seq <= window.filled || one.seq > upTo) continue;
      if (one.sendTime < since) window.filled = one.seq;
      else if (found.length < most) {
        found.push({ window, seq: one.seq, message: one.id, sender: one.sender, sendTime: one.sendTime });
      }
    }
    return found;
  }

  #write(log: Log, rows: readonly Candidate[], flushed: Flushed): MadeRows["rows"] {
    this.#tail.write(log, flushed); // rows of a log are written in order
    for (const { window, message, sender, sendTime } of rows) {
      const own = sender === log.id ? 1 : 0;
      this.#insertEntry.run(log.id, ++log.written, message, own, sender, window.group, this.#times.next(), sendTime);
    }
    flushed.rows += rows.length;
    const first = log.written - rows.length + 1;
    return rows.map(({ window, seq }, i) => ({ group: window.name, seq, pos: first + i }));
  }
}
