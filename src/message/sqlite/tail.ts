import type { DatabaseSync, StatementSync } from "node:sqlite";
import { snowflakeMs } from "../../id/snowflake.ts";
import { headOf, type Log, type Logs, type Stored } from "./logs.ts";
import { big, int, maybeText, type Row } from "./rows.ts";

/** Most entries one flush writes (each may bring a client id): with 256 messages and 1,000 acks below 4,000 rows. */
const FLUSH_ROWS = 1_250;
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
 * `waiting` lists logs in the order of their first waiting row, so the first log holds the floor.
 */
export class Tail {
  readonly #least: number;
  readonly #waiting = new Map<number, Log>();
  #rows = 0;
  readonly #logs: Logs;
  readonly #insertEntry: StatementSync;
  readonly #insertDedupe: StatementSync;
  readonly #selectFrom: StatementSync;

  /** @param least rows that may wait before some are written; up to four times as many when many logs wait. */
  constructor(db: DatabaseSync, logs: Logs, least: number) {
    this.#least = least;
    this.#logs = logs;
    this.#insertEntry = db.prepare(
      "INSERT INTO entries (log, pos, message, direction, peer, send_time) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#insertDedupe = db.prepare(
      `INSERT INTO dedupe (account, client_msg_id, message, created) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET message = excluded.message, created = excluded.created`,
    );
    this.#selectFrom = db.prepare(
      `SELECT id, send_time, conversation, seq, sender, sender_pos, receiver, receiver_pos, client_msg_id
       FROM messages WHERE id >= ? ORDER BY id`,
    );
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
    if (log.waiting.push(stored) === 1) {
      this.#waiting.set(log.id, log);
      this.#logs.keep(log);
    }
    this.#rows++;
    if (stored.clientMsgId !== undefined && stored.sender === log.id) {
      (log.clientIds ??= new Map()).set(stored.clientMsgId, stored);
    }
  }

  /**
   * Writes rows, longest waiting log first, until no more than the limit wait. Gives how many it wrote, and of them
   * how many client ids.
   */
  flush(): { rows: number; clientIds: number } {
    let rows = 0, clientIds = 0;
    for (const log of this.#waiting.values()) {
      if (this.#rows <= this.#limit() || rows >= FLUSH_ROWS) break;
      const count = Math.min(log.waiting.length, FLUSH_ROWS - rows);
      clientIds += this.#write(log, count);
      rows += count;
    }
    return { rows, clientIds };
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

  #write(log: Log, count: number): number {
    let clientIds = 0;
    for (let i = 0; i < count; i++) {
      const one = log.waiting[i]!;
      const sent = log.id === one.sender;
      this.#insertEntry.run(
        log.id,
        log.written + 1 + i,
        one.id,
        sent ? 1 : 0,
        sent ? one.receiver : one.sender,
        one.sendTime,
      );
      if (sent && one.clientMsgId !== undefined) {
        this.#insertDedupe.run(log.id, one.clientMsgId, one.id, snowflakeMs(one.id));
        if (log.clientIds?.get(one.clientMsgId) === one) log.clientIds.delete(one.clientMsgId);
        clientIds++;
      }
    }
    log.written += count;
    this.#rows -= count;
    if (count === log.waiting.length) {
      log.waiting = [];
      log.clientIds = undefined;
      this.#waiting.delete(log.id);
    } else {
      log.waiting.splice(0, count);
    }
    return clientIds;
  }
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
