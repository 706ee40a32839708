import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Clock } from "../../base/clock.ts";
import { ImError, reasonOf } from "../../base/errors.ts";
import { MonotonicNs } from "../../base/monotonic_ns.ts";
import { Snowflake } from "../../id/snowflake.ts";
import { Appends } from "./appends.ts";
import { ClientIds } from "./client_ids.ts";
import { Cursors } from "./cursors.ts";
import type { Faults } from "./faults.ts";
import { Groups } from "./groups.ts";
import { Keys } from "./keys.ts";
import { knownOp } from "./known_ops.ts";
import { headOf, type Log, Logs } from "./logs.ts";
import { type Answer, newestMessage, type Stored } from "./stored.ts";
import type { Ack, FullRange, Job, Write, WriterState } from "./messages.ts";
import { type ChangeOp, type CreateOp, type Done, done, type MakeRowsOp, type Op, rowsOf } from "./ops.ts";
import { ReadPositions } from "./read_positions.ts";
import { Retention } from "./retention.ts";
import { RoomRows } from "./room_rows.ts";
import { big } from "./rows.ts";
import { KIND } from "./schema.ts";
import { Tail, waitingRows } from "./tail.ts";
import { problemOf, Stop, Transaction } from "./transaction.ts";
import type { Last, Place } from "./views.ts";

export interface WriterOptions {
  readonly clock: Clock;
  readonly node: number;
  readonly sync: "full" | "normal";
  readonly tailRows: number;
  readonly cachedLogs: number;
  readonly inboxGroup: number;
  readonly faults: Faults;
}

/** One result per item and per ack, in order. */
export interface Outcome {
  readonly results: readonly (Answer | Done | ImError)[];
  readonly acks: readonly (number | ImError)[];
}

/** A log with those of its waiting rows that were asked for. */
export interface Peeked {
  readonly log: Log;
  readonly rows: readonly { readonly pos: number; readonly stored: Stored }[];
}

/** Rows of one transaction, about: what a flush adds, the rest leaves. */
const TRANSACTION_ROWS = 3_200;
const MEMBERS_PER_LOG = 10;

/** Owns the write connection. Synchronous: a job is one transaction, and nothing else runs until it is answered. */
export class Writer implements Disposable {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #faults: Faults;
  readonly #transaction: Transaction;
  readonly #logs: Logs;
  readonly #groups: Groups;
  readonly #tail: Tail;
  readonly #clientIds: ClientIds;
  readonly #keys: Keys;
  readonly #appends: Appends;
  readonly #rooms: RoomRows;
  readonly #read: ReadPositions;
  readonly #retention: Retention;
  readonly #ids: Snowflake;
  readonly #times: MonotonicNs;
  readonly #cursors: Cursors;
  readonly #selectMeta: StatementSync;
  readonly #saveMeta: StatementSync;
  /** The highest id given, and the highest that is certainly in the database. */
  #newest: bigint;
  #durable: bigint;
  /** Monotonic ms when the present job began, and what it wrote beside its messages. */
  #jobMs = 0;
  #flushed = { rows: 0, clientIds: 0 };
  /** Ids and times were given that no message will show after a restart. */
  #marks = false;
  /** Memory may be ahead of the database: read again before use. */
  #stale = true;
  /** Set for good by a failed sync. */
  #refusal: ImError | undefined;
  #problem = "";
  #commits = 0;
  #failedCommits = 0;
  readonly #begin = () => {
    this.#transaction.begin();
    this.#faults.at("statement");
    this.#marks = true;
  };

  constructor(db: DatabaseSync, options: WriterOptions) {
    const { clock, faults, cachedLogs, inboxGroup } = options;
    this.#db = db;
    this.#clock = clock;
    this.#faults = faults;
    this.#transaction = new Transaction(db, faults, options.sync);
    this.#logs = new Logs(db, cachedLogs);
    this.#clientIds = new ClientIds(db);
    this.#tail = new Tail(db, this.#logs, this.#clientIds, options.tailRows);
    this.#selectMeta = db.prepare("SELECT value FROM meta WHERE key = ?");
    this.#selectMeta.setReadBigInts(true);
    this.#saveMeta = db.prepare("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value");
    const last = newestMessage(db);
    this.#newest = this.#durable = later(last?.id, this.#meta("last_id")) ?? 0n;
    this.#ids = new Snowflake(clock, options.node, this.#newest);
    this.#times = new MonotonicNs(clock, later(last?.sendTime, this.#meta("last_time")));
    const nextId = () => this.#newest = this.#ids.next();
    const begin = () => this.#transaction.begin();
    this.#groups = new Groups(db, this.#logs, { inboxGroup, most: cachedLogs * MEMBERS_PER_LOG, nextId });
    const keys = this.#keys = new Keys(db, clock);
    const [logs, groups, tail, clientIds, times] = [this.#logs, this.#groups, this.#tail, this.#clientIds, this.#times];
    this.#appends = new Appends({ db, clock, faults, logs, groups, tail, clientIds, keys, times, nextId, begin });
    this.#rooms = new RoomRows(db, logs, tail, times);
    this.#read = new ReadPositions(db, logs, groups);
    this.#retention = new Retention({ db, clock, logs, tail, clientIds });
    this.#cursors = new Cursors(db, logs);
    this.#refresh();
    this.#keys.load(this.#newest);
  }

  /** Carries out a job. @throws {Stop} when its outcome must not be answered */
  run(job: Job): Outcome {
    this.#jobMs = this.#clock.mono();
    try {
      this.#refresh();
      while (this.#tail.full && !this.#refusal) this.#tidy();
      const results = job.items.map((item) => this.#final(item, "do" in item ? this.#op(item) : this.#append(item)));
      const acks = job.acks.map((ack) => this.#ack(ack));
      if (this.#keys.unsaved && !this.#refusal) this.#transaction.begin();
      if (this.#transaction.open) this.#commit();
      else if (this.#tail.behind && !this.#refusal) this.#tidy();
      return { results, acks };
    } catch (thrown) {
      return this.#failed(job, thrown);
    }
  }

  /** A log that may have rows the reader cannot see; undefined: the database has all there is. */
  peek(app: string, kind: number, name: string, range: FullRange): Peeked | undefined {
    this.#refresh();
    const log = this.#logs.remembered(app, kind, name);
    return log && { log, rows: waitingRows(log, range) };
  }

  /** The ends of conversations that have waiting rows, for one account. */
  lasts(app: string, account: string, places: readonly Place[]): Map<number, Last> {
    this.#refresh();
    const own = this.#logs.find(app, KIND.account, account)?.id;
    const found = new Map<number, Last>();
    for (const { conversation, earlier } of places) {
      const log = this.#tail.waiting(conversation), last = log?.waiting.at(-1);
      if (!log || !last) continue;
      const sent = log.waiting.findLast((one) => one.sender === own);
      const before = earlier > log.written ? log.waiting[earlier - log.written - 1] : undefined;
      found.set(conversation, { head: headOf(log), message: last.id, own: sent?.seq ?? 0, earlier: before?.id });
    }
    return found;
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
      behind: this.#tail.behind && this.#problem === "",
    };
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  /** A refusal of what came again is remembered. hot: per message */
  #final<Result>(item: Write | Op, result: Result): Result {
    if (result instanceof ImError) this.#keys.refuse(item);
    return result;
  }

  #append(write: Write): Answer | ImError {
    const known = this.#appends.known(write);
    if (known) return known;
    if (this.#refusal) return this.#refusal;
    return this.#appends.refusal(write) ?? this.#appends.store(write, this.#jobMs);
  }

  #op(op: Op): Done | ImError {
    const known = knownOp(op, this.#keys, this.#groups);
    if (known) return known;
    if (this.#refusal) return this.#refusal;
    if (op.late) return new ImError("BUSY", "Cannot change group: too late to start");
    if (op.do === "read") return done(this.#read.move(op, this.#begin));
    if (op.do === "make rows") return { done: this.#makeRows(op) };
    if (op.do === "remove") {
      return { done: this.#retention.remove(BigInt(op.before), op.most, this.#flushed, this.#begin) };
    }
    const result = op.do === "create" ? { done: this.#create(op) } : this.#change(op);
    if (this.#transaction.open) this.#flushed.rows += rowsOf(op);
    return result;
  }

  #create(op: CreateOp): unknown {
    const made = this.#groups.create(op, this.#begin);
    this.#keys.add(op.key, { id: this.#newest, group: made.id }, this.#jobMs);
    return made;
  }

  #change(op: ChangeOp): Done | ImError {
    const made = this.#groups.change(op, this.#begin);
    if (!(made instanceof ImError)) this.#keys.changed(op.key, made.becameLarge);
    return done(made);
  }

  #makeRows({ app, accounts, since, most }: MakeRowsOp) {
    return this.#rooms.make(app, accounts, BigInt(since), most, this.#flushed, this.#begin);
  }

  #ack(ack: Ack): number | ImError {
    const move = this.#cursors.ack(ack);
    return typeof move === "number" ? move : this.#refusal ?? move(this.#transaction);
  }

  /** A transaction that only writes waiting rows. */
  #tidy(): void {
    this.#transaction.begin();
    this.#commit();
  }

  #commit(): void {
    const flushed = this.#flushed;
    this.#tail.flush(TRANSACTION_ROWS - flushed.rows, flushed);
    if (flushed.rows > 0) this.#saveMeta.run("floor", this.#tail.floor() ?? this.#newest + 1n);
    if (flushed.clientIds > 0) this.#clientIds.sweep(2 * flushed.clientIds, this.#clock.now());
    if (this.#marks) {
      this.#saveMeta.run("last_id", this.#newest);
      this.#saveMeta.run("last_time", this.#times.next());
    }
    this.#keys.save();
    this.#transaction.commit();
    this.#keys.saved();
    this.#flushed = { rows: 0, clientIds: 0 };
    this.#marks = false;
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
    this.#flushed = { rows: 0, clientIds: 0 };
    this.#keys.undo(job, this.#durable);
    const cause = reasonOf(thrown);
    this.#problem = this.#refusal?.message ?? problemOf(kind, cause);
    const error = new ImError("SYSTEM", this.#problem, { cause: thrown });
    if (kind === "sync") this.#refusal = error;
    const results = job.items.map((item) => this.#knownAfter(item) ?? this.#final(item, error));
    return { results, acks: job.acks.map(() => error) };
  }

  #knownAfter(item: Write | Op): Answer | Done | ImError | undefined {
    try {
      this.#refresh();
      return "do" in item ? knownOp(item, this.#keys, this.#groups) : this.#appends.known(item);
    } catch { // the database cannot be read either: the failure is answered, and memory stays stale
      return undefined;
    }
  }

  /** Reads the tail from the database, at the start and after a failed commit. */
  #refresh(): void {
    if (!this.#stale) return;
    this.#logs.forgetAll();
    this.#groups.forgetAll();
    this.#retention.forget();
    this.#tail.forgetAll();
    this.#tail.load(this.#meta("floor") ?? 0n);
    this.#stale = false;
  }

  #meta(key: string): bigint | undefined {
    const row = this.#selectMeta.get(key);
    return row && big(row, "value");
  }
}

function later(one = -1n, other = -1n): bigint | undefined {
  return one < 0n && other < 0n ? undefined : one > other ? one : other;
}
