import type { DatabaseSync, StatementSync } from "node:sqlite";
import { snowflakeMs } from "../../id/snowflake.ts";
import { headOf, type Log, type Logs, type Stored } from "./logs.ts";
import type { FullRange } from "./messages.ts";
import { big, int, maybeText, NUMBER_COLUMNS, type Row } from "./rows.ts";

/**
 * A flush takes another log while it has written fewer rows. More than a full batch adds (768 entries, 256 client ids),
 * or memory would grow; with the largest log, a batch and its acks still below 4,000 rows.
 */
const FLUSH_ROWS = 1_200;
/** A log with so many waiting rows is written out of turn, so that it never takes long. */
const LONG_LOG = 500;
/** Rows of one log that one statement inserts: a statement costs more than a row, most of all on Deno. */
const ROWS_PER_INSERT = 8;
/** While logs are many, this many rows may wait for each, so that their leaves are worth touching. */
const ROWS_PER_LOG = 16;
/** How far the limit grows with the number of logs. */
const GROWTH = 4;

/**
 * The rows of `entries` and `dedupe` that are not written yet.
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
  readonly #logs: Logs;
  /** At index n - 1: inserts n rows of one log. */
  readonly #insertEntries: readonly StatementSync[];
  readonly #insertDedupe: StatementSync;
  readonly #selectFrom: StatementSync;

  /** @param least rows that may wait before some are written; up to four times as many when many logs wait. */
  constructor(db: DatabaseSync, logs: Logs, least: number) {
    this.#least = least;
    this.#logs = logs;
    this.#insertEntries = Array.from({ length: ROWS_PER_INSERT }, (_, i) => db.prepare(insertOf(i + 1)));
    this.#insertDedupe = db.prepare(
      `INSERT INTO dedupe (account, client_msg_id, message, created) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET message = excluded.message, created = excluded.created`,
    );
    this.#selectFrom = db.prepare(`SELECT ${NUMBER_COLUMNS} FROM messages WHERE id >= ? ORDER BY id`);
    this.#selectFrom.setReadBigInts(true);
  }

  get rows(): number {
    return this.#rows;
  }

  get logs(): number {
    return this.#waiting.size;
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
    if (stored.clientMsgId !== undefined && stored.sender === log.id) {
      (log.clientIds ??= new Map()).set(stored.clientMsgId, stored);
    }
  }

  /**
   * Writes long logs, and then the longest waiting ones until no more rows than the limit wait. Gives how many entries
   * and client ids it wrote.
   */
  flush(): { entries: number; clientIds: number } {
    let entries = 0, clientIds = 0;
    const write = (log: Log) => {
      entries += log.waiting.length;
      clientIds += this.#write(log);
    };
    for (const log of this.#long) {
      if (entries + clientIds >= FLUSH_ROWS) break;
      write(log);
    }
    for (const log of this.#waiting.values()) {
      if (this.#rows <= this.#limit() || entries + clientIds >= FLUSH_ROWS) break;
      write(log);
    }
    return { entries, clientIds };
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
      this.#addMissing(log(stored.sender), stored.senderPos, stored);
      if (stored.receiver !== stored.sender) this.#addMissing(log(stored.receiver), stored.receiverPos, stored);
      this.#addMissing(log(stored.conversation), stored.seq, stored);
    }
  }

  forgetAll(): void {
    this.#waiting.clear();
    this.#long.clear();
    this.#rows = 0;
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

  #write(log: Log): number {
    const { waiting } = log;
    for (let i = 0; i < waiting.length; i += ROWS_PER_INSERT) {
      this.#insert(log, log.written + 1 + i, waiting.slice(i, i + ROWS_PER_INSERT));
    }
    let clientIds = 0;
    for (const one of waiting) {
      if (one.clientMsgId === undefined || one.sender !== log.id) continue;
      this.#insertDedupe.run(log.id, one.clientMsgId, one.id, snowflakeMs(one.id));
      clientIds++;
    }
    log.written += waiting.length;
    this.#rows -= waiting.length;
    log.waiting = [];
    log.clientIds = undefined;
    this.#waiting.delete(log.id);
    this.#long.delete(log);
    return clientIds;
  }

  /** hot: three rows per message */
  #insert(log: Log, pos: number, rows: readonly Stored[]): void {
    const values: (number | bigint)[] = [log.id, pos];
    for (const one of rows) {
      const sent = log.id === one.sender;
      values.push(one.id, sent ? 1 : 0, sent ? one.receiver : one.sender, one.sendTime);
    }
    this.#insertEntries[rows.length - 1]!.run(...values);
  }
}

/** SQL for rows of one log that follow each other: ?1 is the log, ?2 the first position, then four values each. */
function insertOf(rows: number): string {
  const row = (i: number) => `(?1, ?2 + ${i}, ${[3, 4, 5, 6].map((value) => `?${value + 4 * i}`).join(", ")})`;
  return `INSERT INTO entries (log, pos, message, direction, peer, send_time) VALUES ${
    Array.from({ length: rows }, (_, i) => row(i)).join(", ")
  }`;
}

/** A row of `messages`, read with big integers. */
export function storedOf(row: Row): Stored {
  return {
    id: big(row, "id"),
    sendTime: big(row, "send_time"),
    conversation: int(row, "conversation"),
    seq: int(row, "seq"),
    sender: int(row, "sender"),
    senderPos: int(row, "sender_pos"),
    receiver: int(row, "receiver"),
    receiverPos: int(row, "receiver_pos"),
    clientMsgId: maybeText(row, "client_msg_id"),
  };
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
