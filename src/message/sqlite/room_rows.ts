import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import type { MonotonicNs } from "../../base/monotonic_ns.ts";
import type { MadeRows } from "../group_store.ts";
import { headOf, type Log, type Logs } from "./logs.ts";
import { type RoomEntry, RoomMessages, type RoomRange } from "./room_messages.ts";
import { int } from "./rows.ts";
import { KIND } from "./schema.ts";
import type { Flushed, Tail } from "./tail.ts";

/** Rows that one statement inserts: a statement costs more than a row. */
const ROWS_PER_INSERT = 8;
const COLUMNS = 8;

/** A time in which an account was in a large group, as far as it has no rows yet. */
interface Window {
  readonly group: number;
  readonly room: RoomRange;
  readonly joinedSeq: number;
  /** Messages in (from, upTo] have no rows and were not passed over. */
  readonly from: number;
  readonly upTo: number;
  filled: number;
}

interface Candidate {
  readonly window: Window;
  readonly entry: RoomEntry;
}

/** Windows of one group that are filled up to the same seq. */
interface Filled {
  readonly group: number;
  readonly filled: number;
  /** Account and its joining. */
  readonly of: [account: number, joinedSeq: number][];
}

/**
 * Inbox rows for messages of large groups, made when an old client first needs them: of many accounts at once, which
 * mostly lack the same messages. So windows are read, rows written and windows closed for all of them together.
 */
export class RoomRows {
  readonly #logs: Logs;
  readonly #tail: Tail;
  readonly #times: MonotonicNs;
  readonly #messages: RoomMessages;
  readonly #selectWindows: StatementSync;
  /** At index n - 1: inserts n rows. */
  readonly #insertEntries: readonly StatementSync[];
  readonly #fill: StatementSync;

  constructor(db: DatabaseSync, logs: Logs, tail: Tail, times: MonotonicNs) {
    this.#logs = logs;
    this.#tail = tail;
    this.#times = times;
    this.#messages = new RoomMessages(db, tail);
    this.#selectWindows = db.prepare(
      `SELECT line.account AS account, grp, joined_seq, left_seq, max(filled, large_from) AS start
       FROM json_each(?) AS asked
       CROSS JOIN conversations AS line ON line.account = asked.value
       CROSS JOIN groups ON groups.id = conversation
       CROSS JOIN group_members AS member ON grp = conversation AND member.account = line.account
       WHERE peer IS NULL AND large_from IS NOT NULL`,
    );
    this.#insertEntries = Array.from({ length: ROWS_PER_INSERT }, (_, i) =>
      db.prepare(
        `INSERT INTO entries (log, pos, message, direction, peer, grp, send_time, sent) VALUES ${
          Array(i + 1).fill("(?, ?, ?, ?, ?, ?, ?, ?)").join(", ")
        }`,
      ));
    this.#fill = db.prepare(
      `UPDATE group_members SET filled = ? WHERE grp = ? AND (account, joined_seq) IN
       (SELECT value ->> 0, value ->> 1 FROM json_each(?))`,
    );
  }

  /** Makes at most `most` rows for each account and gives them with the head. `begin`: before something is written. */
  make(
    app: string,
    accounts: readonly string[],
    since: bigint,
    most: number,
    flushed: Flushed,
    begin: () => void,
  ): MadeRows[] {
    const made: MadeRows[] = [];
    while (made.length < accounts.length) {
      // An account that is named once more gets what is left then.
      const names = distinct(accounts, made.length);
      const logs = names.map((name) => this.#logs.find(app, KIND.account, name));
      made.push(...this.#make(logs, since, most, flushed, begin));
    }
    return made;
  }

  /** @param logs of different accounts. */
  #make(
    logs: readonly (Log | undefined)[],
    since: bigint,
    most: number,
    flushed: Flushed,
    begin: () => void,
  ): MadeRows[] {
    const windows = this.#windows(logs, since);
    const values: SQLInputValue[] = [];
    const filled = new Map<string, Filled>();
    const made = logs.map((log): MadeRows => {
      const own = log && windows.get(log.id);
      if (!log || !own) return { head: log ? headOf(log) : 0, rows: [] };
      const rows = candidates(own, most);
      const moved = own.filter((one) => one.filled > one.from);
      if (moved.length === 0) return { head: headOf(log), rows: [] };
      begin();
      this.#tail.write(log, flushed); // rows of a log are written in order
      const first = log.written + 1;
      for (const one of rows) this.#add(values, log, one);
      for (const one of moved) note(filled, log, one);
      return { head: headOf(log), rows: rows.map(({ window, entry }, i) => shown(window, entry, first + i)) };
    });
    this.#insert(values);
    for (const { group, filled: seq, of } of filled.values()) this.#fill.run(seq, group, JSON.stringify(of));
    for (const { rows } of made) flushed.rows += rows.length;
    return made;
  }

  /** By account. */
  #windows(logs: readonly (Log | undefined)[], since: bigint): Map<number, Window[]> {
    const ids = logs.flatMap((log) => log ? [log.id] : []);
    const rooms = new Map<number, RoomRange>(), found = new Map<number, Window[]>();
    for (const row of this.#selectWindows.all(JSON.stringify(ids))) {
      const account = int(row, "account"), group = int(row, "grp"), from = int(row, "start");
      let room = rooms.get(group);
      if (!room) rooms.set(group, room = this.#messages.of(group, since));
      const upTo = row["left_seq"] === null ? room.head : Math.min(room.head, int(row, "left_seq"));
      if (from >= upTo) continue;
      const window = { group, room, joinedSeq: int(row, "joined_seq"), from, upTo, filled: from };
      const own = found.get(account);
      if (own) own.push(window);
      else found.set(account, [window]);
    }
    return found;
  }

  /** The next row of that log. hot: per account and message */
  #add(values: SQLInputValue[], log: Log, { window, entry }: Candidate): void {
    const { message, sender, sendTime } = entry;
    const own = sender === log.id ? 1 : 0;
    values.push(log.id, ++log.written, message, own, sender, window.group, this.#times.next(), sendTime);
    if (values.length === COLUMNS * ROWS_PER_INSERT) this.#insert(values);
  }

  #insert(values: SQLInputValue[]): void {
    if (values.length === 0) return;
    this.#insertEntries[values.length / COLUMNS - 1]!.run(...values);
    values.length = 0;
  }
}

/** Names from there on, up to the first that is among them already. */
function distinct(names: readonly string[], from: number): string[] {
  const found = new Set<string>();
  for (let i = from; i < names.length && !found.has(names[i]!); i++) found.add(names[i]!);
  return [...found];
}

/** The messages of these windows in the order they were stored; says in the windows how far they are filled then. */
function candidates(windows: readonly Window[], most: number): Candidate[] {
  const found: Candidate[] = [];
  for (const window of windows) {
    const { room, from, upTo } = window;
    window.filled = room.passedOver(from, upTo);
    for (const entry of room.entries(window.filled, upTo, most)) found.push({ window, entry });
  }
  if (windows.length > 1) {
    found.sort((a, b) => a.entry.message < b.entry.message ? -1 : 1);
    if (found.length > most) found.length = most;
  }
  for (const { window, entry } of found) window.filled = entry.seq;
  return found;
}

function note(all: Map<string, Filled>, log: Log, { group, filled, joinedSeq }: Window): void {
  const key = `${group} ${filled}`;
  const same = all.get(key);
  if (same) same.of.push([log.id, joinedSeq]);
  else all.set(key, { group, filled, of: [[log.id, joinedSeq]] });
}

function shown({ room }: Window, { seq }: RoomEntry, pos: number): MadeRows["rows"][number] {
  return { group: room.name, seq, pos };
}
