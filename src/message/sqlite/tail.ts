import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { ClientIds } from "./client_ids.ts";
import { eachInFan } from "./fan.ts";
import { headOf, type Log, type Logs } from "./logs.ts";
import type { FullRange } from "./messages.ts";
import { maybeBytes, NUMBER_COLUMNS } from "./rows.ts";
import { SHARED_RUN, SharedRows } from "./shared_rows.ts";
import { peerIn, type Stored, storedOf } from "./stored.ts";

/**
 * A flush takes another log while it has written fewer rows. More than a full batch of talks adds (768 entries, 256
 * client ids), or memory would grow; with the largest log, a batch and its acks still below 4,000 rows.
 */
const FLUSH_ROWS = 1_200;
/** Groups add more than that: behind by a whole flush, one takes so many rows, and more flushes follow (`behind`). */
const FLUSH_MOST = 2_500;
/** Rows of groups are little more than pointers, so this many in memory are few MB; above, a batch waits for flushes. */
const BEHIND_MOST = 200_000;
/** A log with so many waiting rows is written out of turn, so that it never takes long. */
const LONG_LOG = 500;
/** Rows of one log that one statement inserts: a statement costs more than a row, most of all on Deno. */
const ROWS_PER_INSERT = 8;
/** While logs are many, this many rows may wait for each, so that their leaves are worth touching. */
const ROWS_PER_LOG = 16;
/** Rows of a group share their message, so they weigh less, and wait until more can be written at once. */
const GROUP_WEIGHT = 1 / 4;
/** How far the limit grows with the number of logs. */
const GROWTH = 4;

/**
 * The rows of `entries`, `dedupe` and (of pairs) `conversations` that are not written yet.
 *
 *     messages   … 71 72 73 74 75 76 77 78      appended by the transaction that is answered
 *     ann's log  … ✓  ✓     ·     ·             written later, all of a log's rows at once: one leaf, many rows
 *     bob's log  … ✓     ✓     ✓     ·
 *                        floor = 74: nothing below is missing
 *
 * `waiting` lists logs in the order of their first waiting row, so the first log holds the floor. That is why a log is
 * always written to its end.
 */
export class Tail {
  readonly #least: number;
  readonly #waiting = new Map<number, Log>();
  readonly #long = new Set<Log>();
  #rows = 0;
  #weight = 0;
  readonly #logs: Logs;
  readonly #clientIds: ClientIds;
  /** At index n - 1: inserts n rows of one log; of groups, with the group. */
  readonly #insertEntries: readonly StatementSync[];
  readonly #insertGroupEntries: readonly StatementSync[];
  readonly #shared: SharedRows;
  readonly #listConversation: StatementSync;
  readonly #selectFrom: StatementSync;

  /** @param least rows (of groups four times as many) that may wait before some are written; up to four times as many when many logs wait. */
  constructor(db: DatabaseSync, logs: Logs, clientIds: ClientIds, least: number) {
    this.#least = least;
    this.#logs = logs;
    this.#clientIds = clientIds;
    const inserts = (columns: readonly string[]) =>
      Array.from({ length: ROWS_PER_INSERT }, (_, i) => db.prepare(insertOf(columns, i + 1)));
    this.#insertEntries = inserts(["message", "direction", "peer", "send_time"]);
    this.#insertGroupEntries = inserts(["message", "direction", "peer", "send_time", "grp"]);
    this.#shared = new SharedRows(db);
    this.#listConversation = db.prepare(
      `INSERT INTO conversations (account, conversation, peer, since, read) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET read = max(read, excluded.read)`,
    );
    this.#selectFrom = db.prepare(`SELECT ${NUMBER_COLUMNS}, fan FROM messages WHERE id >= ? ORDER BY id`);
    this.#selectFrom.setReadBigInts(true);
  }

  get rows(): number {
    return this.#rows;
  }

  get logs(): number {
    return this.#waiting.size;
  }

  /** More rows wait than a flush after each batch can write: flush once more when there is time. */
  get behind(): boolean {
    return this.#weight > this.#limit() + FLUSH_ROWS;
  }

  /** So many rows wait that nothing may be added before some are written. */
  get full(): boolean {
    return this.#rows > Math.max(BEHIND_MOST, this.#least * GROWTH);
  }

  /** The log with waiting rows, by number. */
  waiting(log: number): Log | undefined {
    return this.#waiting.get(log);
  }

  /** The oldest message with a waiting row; undefined: nothing waits. */
  floor(): bigint | undefined {
    for (const log of this.#waiting.values()) return log.waiting[0]?.id;
    return undefined;
  }

  /** The next row of that log. hot: three per message */
  add(log: Log, stored: Stored): void {
    const count = log.waiting.push(stored);
    if (count === 1) {
      this.#waiting.set(log.id, log);
      this.#logs.keep(log);
    } else if (count === LONG_LOG) this.#long.add(log);
    this.#rows++;
    this.#weight += weightOf(stored);
    if (stored.clientMsgId !== undefined && stored.sender === log.id) {
      (log.clientIds ??= new Map()).set(stored.clientMsgId, stored);
    }
  }

  /**
   * Writes long logs, and then the longest waiting ones until no more rows than the limit wait.
   * @param room rows that the transaction still has room for.
   */
  flush(room: number, flushed: Flushed): void {
    const most = flushed.rows + Math.min(room, this.behind ? FLUSH_MOST : FLUSH_ROWS);
    for (const log of this.#long) {
      if (flushed.rows >= most) break;
      this.write(log, flushed);
    }
    for (const log of this.#waiting.values()) {
      if (this.#weight <= this.#limit() || flushed.rows >= most) break;
      this.write(log, flushed);
    }
    this.#shared.clear();
  }

  /** Writes logs until the rows of no message below `id` wait, or `room` rows were written. */
  flushBelow(id: bigint, room: number, flushed: Flushed): void {
    for (const log of this.#waiting.values()) {
      if (log.waiting[0]!.id >= id || flushed.rows >= room) break;
      this.write(log, flushed);
    }
  }

  /** Writes all waiting rows of one log. */
  write(log: Log, flushed: Flushed): void {
    const { waiting } = log;
    if (waiting.length === 0) return;
    for (let i = 0; i < waiting.length;) {
      const end = runEnd(log, i), pos = log.written + 1 + i;
      if (end - i >= SHARED_RUN) this.#shared.write(log.id, pos, waiting, i, end);
      else this.#insert(log, pos, waiting.slice(i, i + ROWS_PER_INSERT));
      i = end - i >= SHARED_RUN ? end : i + ROWS_PER_INSERT;
    }
    flushed.rows += waiting.length;
    for (const one of waiting) {
      this.#weight -= weightOf(one);
      if (one.clientMsgId === undefined || one.sender !== log.id) continue;
      this.#clientIds.add(one);
      flushed.clientIds++;
      flushed.rows++;
    }
    flushed.rows += this.#writeConversations(log);
    log.written += waiting.length;
    this.#rows -= waiting.length;
    log.waiting = [];
    log.clientIds = undefined;
    this.#waiting.delete(log.id);
    this.#long.delete(log);
  }

  /** Rebuilds memory from what the database has. Memory must be empty. */
  load(floor: bigint): void {
    const byId = new Map<number, Log>();
    const log = (id: number): Log => {
      let found = byId.get(id);
      if (!found) byId.set(id, found = this.#logs.get(id));
      return found;
    };
    for (const row of this.#selectFrom.iterate(floor)) {
      const stored = storedOf(row);
      if (stored.form === "pair") {
        this.#addMissing(log(stored.sender), stored.senderPos, stored);
        if (stored.receiver !== stored.sender) this.#addMissing(log(stored.receiver), stored.receiverPos, stored);
      } else eachInFan(maybeBytes(row, "fan") ?? NOBODY, (id, pos) => this.#addMissing(log(id), pos, stored));
      this.#addMissing(log(stored.conversation), stored.seq, stored);
    }
  }

  forgetAll(): void {
    this.#waiting.clear();
    this.#long.clear();
    this.#shared.forget();
    this.#rows = 0;
    this.#weight = 0;
  }

  #limit(): number {
    return Math.min(Math.max(this.#least, this.#waiting.size * ROWS_PER_LOG), this.#least * GROWTH);
  }

  /** A log's rows are written in order, so what is above its last written one is missing. */
  #addMissing(log: Log, pos: number, stored: Stored): void {
    if (pos <= log.written) return;
    if (pos !== headOf(log) + 1) throw new Error(`Log ${log.id} has a hole: ${headOf(log)} is followed by ${pos}`);
    this.add(log, stored);
  }

  /** hot: three rows per talk, one per member of a group message */
  #insert(log: Log, pos: number, rows: readonly Stored[]): void {
    const grouped = rows.some((one) => one.form === "fan" && one.conversation !== log.id);
    const values: (number | bigint | null)[] = [log.id, pos];
    for (const one of rows) {
      values.push(one.id, log.id === one.sender ? 1 : 0, peerIn(log.id, one), one.sendTime);
      if (grouped) values.push(one.form === "fan" ? one.conversation : null);
    }
    (grouped ? this.#insertGroupEntries : this.#insertEntries)[rows.length - 1]!.run(...values);
  }

  /**
   * An account's first row of a pair puts the pair on its list, and what it sent moves its read position; in a large
   * group only the conversation's own log tells who sent. Gives how many rows it wrote.
   */
  #writeConversations(log: Log): number {
    let lines: Map<number, Line> | undefined;
    for (const one of log.waiting) {
      const own = one.sender === log.id, room = one.form === "room";
      const first = one.form === "pair" && one.seq === 1 && one.conversation !== log.id;
      if (!own && !room && !first) continue;
      lines ??= new Map();
      const name = room ? one.sender : one.conversation;
      const known = lines.get(name), read = own || room ? one.seq : 0;
      if (known) known.read = Math.max(known.read, read);
      else lines.set(name, { first: one, read });
    }
    if (!lines) return 0;
    for (const { first, read } of lines.values()) {
      const account = first.form === "room" ? first.sender : log.id;
      const peer = first.form === "pair" ? peerIn(log.id, first) : null;
      this.#listConversation.run(account, first.conversation, peer, first.id, read);
    }
    return lines.size;
  }
}

/** What a transaction wrote of the tail, counted up. */
export interface Flushed {
  rows: number;
  clientIds: number;
}

interface Line {
  readonly first: Stored;
  read: number;
}

function weightOf(stored: Stored): number {
  return stored.form === "fan" ? GROUP_WEIGHT : 1;
}

/** Where the messages of one group that follow each other from `start` on end. */
function runEnd({ id, waiting }: Log, start: number): number {
  const { form, conversation, seq } = waiting[start]!;
  if (form !== "fan" || conversation === id) return start;
  let end = start + 1;
  while (
    end < waiting.length && waiting[end]!.conversation === conversation && waiting[end]!.seq === seq + end - start
  ) {
    end++;
  }
  return end;
}

const NOBODY = new Uint8Array(0);

/** SQL for rows of one log that follow each other: ?1 is the log, ?2 the first position, then the columns of each. */
function insertOf(columns: readonly string[], rows: number): string {
  const row = (i: number) =>
    `(?1, ?2 + ${i}, ${columns.map((_, column) => `?${3 + column + columns.length * i}`).join(", ")})`;
  return `INSERT INTO entries (log, pos, ${columns.join(", ")}) VALUES ${
    Array.from({ length: rows }, (_, i) => row(i)).join(", ")
  }`;
}

/** Waiting rows in the range that pass its filters, at most `limit`. */
export function waitingRows(log: Log, range: FullRange): { pos: number; stored: Stored }[] {
  const rows: { pos: number; stored: Stored }[] = [];
  const last = Math.min(range.upTo, headOf(log));
  for (let pos = Math.max(range.after, log.written) + 1; pos <= last && rows.length < range.limit; pos++) {
    const stored = log.waiting[pos - log.written - 1]!;
    if (range.direction !== undefined && (stored.sender === log.id ? 1 : 0) !== range.direction) continue;
    if (stored.sendTime >= range.since) rows.push({ pos, stored });
  }
  return rows;
}
