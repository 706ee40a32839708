import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import { MonotonicNs } from "../../base/monotonic_ns.ts";
import { Snowflake, snowflakeAt, snowflakeMs } from "../../id/snowflake.ts";
import { REMEMBER_MOST, REMEMBER_MS, RequestKeys } from "../request_keys.ts";
import { ClientIds, isForgotten } from "./client_ids.ts";
import type { Faults } from "./faults.ts";
import { headOf, type Log, Logs, type Stored } from "./logs.ts";
import type { Ack, FullRange, Job, Write, WriterState } from "./messages.ts";
import { big, int, MESSAGE_COLUMNS, NUMBER_COLUMNS, text } from "./rows.ts";
import { KIND, pairName } from "./schema.ts";
import { storedOf, Tail, waitingRows } from "./tail.ts";
import { problemOf, Stop, Transaction } from "./transaction.ts";

export interface WriterOptions {
  readonly clock: Clock;
  readonly node: number;
  readonly sync: "full" | "normal";
  readonly tailRows: number;
  readonly cachedLogs: number;
  readonly faults: Faults;
}

/** A message as it is answered: stored now, or by an earlier request. */
export interface Answer {
  readonly stored: Stored;
  readonly duplicate: boolean;
}

/** One result per write and per ack, in order. */
export interface Outcome {
  readonly answers: readonly (Answer | ImError)[];
  readonly acks: readonly (number | ImError)[];
}

/** An account's log with those of its waiting rows that were asked for. */
export interface Peeked {
  readonly log: Log;
  readonly rows: readonly { readonly pos: number; readonly stored: Stored }[];
}

/** Owns the write connection. Synchronous: a job is one transaction, and nothing else runs until it is answered. */
export class Writer implements Disposable {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #faults: Faults;
  readonly #transaction: Transaction;
  readonly #logs: Logs;
  readonly #tail: Tail;
  readonly #clientIds: ClientIds;
  readonly #keys = new RequestKeys<Stored>();
  readonly #ids: Snowflake;
  readonly #times: MonotonicNs;
  readonly #insertMessage: StatementSync;
  readonly #selectMessage: StatementSync;
  readonly #selectCursor: StatementSync;
  readonly #moveCursor: StatementSync;
  readonly #selectFloor: StatementSync;
  readonly #saveFloor: StatementSync;
  /** The highest id given, and the highest that is certainly in the database. */
  #newest: bigint;
  #durable: bigint;
  /** Monotonic ms when the present job began. */
  #jobMs = 0;
  /** Memory may be ahead of the database: read again before use. */
  #stale = true;
  /** Set for good by a failed sync. */
  #refusal: ImError | undefined;
  #problem = "";
  #commits = 0;
  #failedCommits = 0;

  constructor(db: DatabaseSync, options: WriterOptions) {
    this.#db = db;
    this.#clock = options.clock;
    this.#faults = options.faults;
    this.#transaction = new Transaction(db, options.faults, options.sync);
    this.#logs = new Logs(db, options.cachedLogs);
    this.#tail = new Tail(db, this.#logs, options.tailRows);
    this.#clientIds = new ClientIds(db);
    this.#insertMessage = db.prepare(
      `INSERT INTO messages (id, conversation, seq, sender, sender_pos, receiver, receiver_pos, type, body, extra,
         send_time, key_scope, key_n, client_msg_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#selectMessage = db.prepare(`SELECT ${MESSAGE_COLUMNS} FROM messages WHERE id = ?`);
    this.#selectMessage.setReadBigInts(true);
    this.#selectCursor = db.prepare("SELECT pos FROM cursors WHERE account = ? AND device = ?");
    this.#moveCursor = db.prepare(
      `INSERT INTO cursors (account, device, pos) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET pos = excluded.pos`,
    );
    this.#selectFloor = db.prepare("SELECT value FROM meta WHERE key = 'floor'");
    this.#selectFloor.setReadBigInts(true);
    this.#saveFloor = db.prepare("UPDATE meta SET value = ? WHERE key = 'floor'");
    const last = newestMessage(db);
    this.#newest = this.#durable = last?.id ?? 0n;
    this.#ids = new Snowflake(options.clock, options.node, this.#newest);
    this.#times = new MonotonicNs(options.clock, last?.sendTime);
    this.#refresh();
    this.#loadKeys();
  }

  /** Carries out a job. @throws {Stop} when its outcome must not be answered */
  run(job: Job): Outcome {
    this.#jobMs = this.#clock.mono();
    try {
      this.#refresh();
      const answers = job.writes.map((write) => this.#append(write));
      const acks = job.acks.map((ack) => this.#ack(ack));
      if (this.#transaction.open) this.#commit();
      return { answers, acks };
    } catch (thrown) {
      return this.#failed(job, thrown);
    }
  }

  /** The log of an account that may have rows the reader cannot see; undefined: the database has all there is. */
  peek(app: string, account: string, range: FullRange): Peeked | undefined {
    this.#refresh();
    const log = this.#logs.remembered(app, account);
    return log && { log, rows: waitingRows(log, range) };
  }

  state(): WriterState {
    return {
      problem: this.#problem,
      writable: this.#problem === "",
      waitingRows: this.#tail.rows,
      waitingLogs: this.#tail.logs,
      cachedLogs: this.#logs.size,
      rememberedKeys: this.#keys.size,
      commits: this.#commits,
      failedCommits: this.#failedCommits,
    };
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #append(write: Write): Answer | ImError {
    const known = this.#known(write);
    if (known) return known;
    if (this.#refusal) return this.#refusal;
    if (write.late) return new ImError("BUSY", "Cannot store message: too late to start");
    return { stored: this.#store(write), duplicate: false };
  }

  /** The first answer of a request that came before. */
  #known(write: Write): Answer | ImError | undefined {
    const { key, clientMsgId } = write;
    const byKey = key && this.#keys.find(key);
    if (byKey === "answered") {
      return new ImError("SYSTEM", `Cannot store message: request ${key?.n} of its channel has been answered`);
    }
    if (byKey) return { stored: byKey, duplicate: true };
    return clientMsgId === undefined ? undefined : this.#knownByClient(write, clientMsgId);
  }

  #knownByClient(write: Write, clientMsgId: string): Answer | ImError | undefined {
    const sender = this.#logs.find(write.app, KIND.account, write.sender);
    if (!sender) return undefined;
    const id = sender.clientIds?.get(clientMsgId)?.id ?? this.#clientIds.find(sender.id, clientMsgId);
    if (id === undefined || isForgotten(snowflakeMs(id), this.#clock.now())) return undefined;
    const row = this.#selectMessage.get(id);
    if (!row) throw new Error(`Cannot compare: message ${id} of a client id is not there`);
    const dest = this.#logs.find(write.app, KIND.account, write.dest);
    const same = int(row, "receiver") === dest?.id && int(row, "type") === write.type &&
      text(row, "body") === write.body && text(row, "extra") === write.extra;
    if (!same) return new ImError("DUPLICATE_ID", "Cannot store message: its client id stands for another content");
    return { stored: storedOf(row), duplicate: true };
  }

  /** hot: per message */
  #store(write: Write): Stored {
    const { app, key, clientMsgId } = write;
    this.#transaction.begin();
    this.#faults.at("statement");
    const id = this.#newest = this.#ids.next();
    const sender = this.#logs.obtain(app, KIND.account, write.sender, id);
    const receiver = write.dest === write.sender ? sender : this.#logs.obtain(app, KIND.account, write.dest, id);
    const conversation = this.#logs.obtain(app, KIND.pair, pairName(write.sender, write.dest), id);
    const stored: Stored = {
      id,
      sendTime: this.#times.next(),
      conversation: conversation.id,
      seq: headOf(conversation) + 1,
      sender: sender.id,
      senderPos: headOf(sender) + 1,
      receiver: receiver.id,
      receiverPos: headOf(receiver) + 1,
      clientMsgId,
    };
    this.#insertMessage.run(
      id,
      stored.conversation,
      stored.seq,
      stored.sender,
      stored.senderPos,
      stored.receiver,
      stored.receiverPos,
      write.type,
      write.body,
      write.extra,
      stored.sendTime,
      key ? key.scope : null,
      key ? key.n : null,
      clientMsgId ?? null,
    );
    this.#tail.add(sender, stored);
    if (receiver !== sender) this.#tail.add(receiver, stored);
    this.#tail.add(conversation, stored);
    if (key) this.#keys.add(key, stored, this.#jobMs);
    return stored;
  }

  #ack(ack: Ack): number | ImError {
    const log = this.#logs.find(ack.app, KIND.account, ack.account);
    if (!log) return 0;
    const row = this.#selectCursor.get(log.id, ack.device);
    const now = row ? int(row, "pos") : 0;
    const pos = Math.min(ack.pos, headOf(log));
    if (pos <= now) return now;
    if (this.#refusal) return this.#refusal;
    this.#transaction.begin();
    this.#moveCursor.run(log.id, ack.device, pos);
    return pos;
  }

  #commit(): void {
    const { entries, clientIds } = this.#tail.flush();
    if (entries > 0) this.#saveFloor.run(this.#tail.floor() ?? this.#newest + 1n);
    if (clientIds > 0) this.#clientIds.sweep(2 * clientIds, this.#clock.now());
    this.#transaction.commit();
    this.#durable = this.#newest;
    this.#problem = "";
    this.#commits++;
  }

  /** Nothing of the job stays. What an earlier job stored is still answered: it is stored. */
  #failed(job: Job, thrown: unknown): Outcome {
    if (thrown instanceof Stop) throw thrown;
    const kind = this.#transaction.undo(thrown);
    this.#failedCommits++;
    this.#stale = true;
    for (const { key } of job.writes) {
      const stored = key && this.#keys.find(key);
      if (typeof stored === "object" && stored.id > this.#durable) this.#keys.forget(key!);
    }
    const cause = thrown instanceof Error ? thrown.message : String(thrown);
    this.#problem = this.#refusal?.message ?? problemOf(kind, cause);
    const error = new ImError("SYSTEM", this.#problem, { cause: thrown });
    if (kind === "sync") this.#refusal = error;
    return { answers: job.writes.map((write) => this.#knownAfter(write) ?? error), acks: job.acks.map(() => error) };
  }

  #knownAfter(write: Write): Answer | ImError | undefined {
    try {
      this.#refresh();
      return this.#known(write);
    } catch { // the database cannot be read either: the failure is answered, and memory stays stale
      return undefined;
    }
  }

  /** Reads the tail from the database, at the start and after a failed commit. */
  #refresh(): void {
    if (!this.#stale) return;
    this.#logs.forgetAll();
    this.#tail.forgetAll();
    const row = this.#selectFloor.get();
    this.#tail.load(row ? big(row, "value") : 0n);
    this.#stale = false;
  }

  #loadKeys(): void {
    const select = this.#db.prepare(
      `SELECT * FROM (SELECT key_scope, key_n, ${NUMBER_COLUMNS} FROM messages WHERE id >= ? AND key_scope IS NOT NULL
         ORDER BY id DESC LIMIT ?) ORDER BY id`,
    );
    select.setReadBigInts(true);
    const mono = this.#clock.mono();
    for (const row of select.iterate(snowflakeAt(this.#clock.now() - REMEMBER_MS), REMEMBER_MOST)) {
      this.#keys.add({ scope: text(row, "key_scope"), n: int(row, "key_n"), low: 0 }, storedOf(row), mono);
    }
  }
}

function newestMessage(db: DatabaseSync): Stored | undefined {
  const select = db.prepare(`SELECT ${NUMBER_COLUMNS} FROM messages ORDER BY id DESC LIMIT 1`);
  select.setReadBigInts(true);
  const row = select.get();
  return row && storedOf(row);
}
