import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Clock } from "../../base/clock.ts";
import { snowflakeMs } from "../../id/snowflake.ts";
import { type ClientIds, isForgotten } from "./client_ids.ts";
import { eachInFan } from "./fan.ts";
import type { Logs } from "./logs.ts";
import { int, maybeBytes, NUMBER_COLUMNS, type Row, text, whole } from "./rows.ts";
import { type Stored, storedOf } from "./stored.ts";
import type { Flushed, Tail } from "./tail.ts";

/** What one slice removed. */
export interface Removed {
  readonly count: number;
  /** There may be more to remove. */
  readonly more: boolean;
}

export interface RetentionDeps {
  readonly db: DatabaseSync;
  readonly clock: Clock;
  readonly logs: Logs;
  readonly tail: Tail;
  readonly clientIds: ClientIds;
}

/** Messages of one plan: the more, the more rows of a log go at once. */
const PLAN = 20_000;
/** What one slice looks at or removes, so that it takes a few ms: rows and positions, logs, rows of one log, messages. */
const SCAN = 3_000, LOGS = 150, LOG_ROWS = 1_000, MESSAGES = 400, FLUSH = 500;
const NOBODY = new Uint8Array(0);

/** The oldest messages, and what their removal takes from each log. */
interface Plan {
  readonly before: bigint;
  /** Messages that are still to be deleted at most. */
  most: number;
  at: "reading" | "shortening" | "deleting";
  /** Those of which a client id may still be asked for. */
  readonly named: Stored[];
  /** Those of large groups. */
  readonly rooms: bigint[];
  /** How the deletion goes: up to which message at once. */
  readonly steps: Step[];
  /** Up to which position a log loses its rows. */
  readonly logs: Map<number, number>;
  /** The last that was read. */
  last: bigint;
  count: number;
}

interface Step {
  upTo: bigint;
  count: number;
  /** Made late for these messages. */
  rows: number;
}

/**
 * Removes the oldest messages with their rows, in slices that are small enough to stand between two batches:
 *
 *     reading      which logs lose how much, for some thousand messages at once; nothing is written
 *     shortening   each of these logs loses its beginning; `trimmed` says how much, and in an empty log it is the head
 *     deleting     the messages themselves go
 *
 * After a crash the same messages are found again, and what is gone already is not missed. A row that was made late
 * (`sent`) may stand behind younger ones: it becomes a row of message 0, which nobody is shown, until all before it go.
 */
export class Retention {
  readonly #deps: RetentionDeps;
  #plan: Plan | undefined;
  readonly #selectNext: StatementSync;
  readonly #selectContent: StatementSync;
  readonly #deleteMessages: StatementSync;
  readonly #selectMade: StatementSync;
  readonly #empty: StatementSync;
  readonly #selectTrimmed: StatementSync;
  readonly #selectFirst: StatementSync;
  readonly #selectLast: StatementSync;
  readonly #deleteEntries: StatementSync;
  readonly #trim: StatementSync;

  constructor(deps: RetentionDeps) {
    const { db } = this.#deps = deps;
    this.#selectNext = db.prepare(`SELECT ${NUMBER_COLUMNS}, fan FROM messages WHERE id > ? ORDER BY id LIMIT ?`);
    this.#selectNext.setReadBigInts(true);
    this.#selectContent = db.prepare(`SELECT type, ${whole("body")}, ${whole("extra")} FROM messages WHERE id = ?`);
    this.#deleteMessages = db.prepare("DELETE FROM messages WHERE id <= ?");
    this.#selectMade = db.prepare("SELECT log, pos FROM entries WHERE message = ? AND sent IS NOT NULL");
    this.#empty = db.prepare("UPDATE entries SET message = 0, sent = NULL WHERE log = ? AND pos = ?");
    this.#selectTrimmed = db.prepare("SELECT trimmed FROM logs WHERE id = ?");
    this.#selectFirst = db.prepare(
      "SELECT pos FROM entries WHERE log = ? AND pos > ? AND message != 0 ORDER BY pos LIMIT 1",
    );
    this.#selectLast = db.prepare("SELECT pos FROM entries WHERE log = ? ORDER BY pos DESC LIMIT 1");
    this.#deleteEntries = db.prepare("DELETE FROM entries WHERE log = ? AND pos <= ?");
    this.#trim = db.prepare("UPDATE logs SET trimmed = ? WHERE id = ? RETURNING app, kind, name");
  }

  /** A slice: of messages sent before that time (Unix ns), at most `most`. `begin`: before something is written. */
  remove(before: bigint, most: number, flushed: Flushed, begin: () => void): Removed {
    const plan = this.#plan?.before === before && this.#plan.most <= most ? this.#plan : this.#newPlan(before, most);
    this.#plan = plan;
    if (plan.at === "reading") return this.#read(plan);
    begin();
    if (plan.at === "shortening") return this.#shortenSome(plan, flushed);
    return this.#deleteSome(plan);
  }

  /** A commit failed: what the plan has done is not done. */
  forget(): void {
    this.#plan = undefined;
  }

  #newPlan(before: bigint, most: number): Plan {
    const empty = { named: [], rooms: [], steps: [], logs: new Map<number, number>(), last: -1n, count: 0 };
    return { before, most: Math.min(most, PLAN), at: "reading", ...empty };
  }

  #read(plan: Plan): Removed {
    let looked = 0, ended = plan.count >= plan.most;
    for (const row of ended ? [] : this.#selectNext.iterate(plan.last, plan.most - plan.count)) {
      const stored = storedOf(row);
      ended = stored.sendTime >= plan.before;
      if (ended || looked >= SCAN) break;
      looked += this.#note(plan, stored, row);
    }
    if (looked >= SCAN && !ended) return { count: 0, more: true };
    if (plan.count === 0) {
      this.#plan = undefined;
      return { count: 0, more: false };
    }
    plan.at = "shortening";
    return { count: 0, more: true };
  }

  /** Gives how much work that was. */
  #note(plan: Plan, stored: Stored, row: Row): number {
    const { logs } = plan, { id, form, clientMsgId } = stored;
    plan.last = id;
    plan.count++;
    if (clientMsgId !== undefined && !isForgotten(snowflakeMs(id), this.#deps.clock.now())) plan.named.push(stored);
    if (form === "room") plan.rooms.push(id);
    const made = form === "room" ? this.#selectMade.all(id).length : 0;
    let step = plan.steps.at(-1);
    if (!step || step.count >= MESSAGES || step.rows >= LOG_ROWS) {
      plan.steps.push(step = { upTo: id, count: 0, rows: 0 });
    }
    step.upTo = id;
    step.count++;
    step.rows += made;
    logs.set(stored.conversation, stored.seq);
    if (form === "pair") {
      logs.set(stored.sender, stored.senderPos);
      logs.set(stored.receiver, stored.receiverPos);
    }
    let work = 4 + made;
    eachInFan(maybeBytes(row, "fan") ?? NOBODY, (log, pos) => {
      logs.set(log, pos);
      work++;
    });
    return work;
  }

  #shortenSome(plan: Plan, flushed: Flushed): Removed {
    const { tail } = this.#deps, floor = tail.floor();
    if (floor !== undefined && floor <= plan.last) {
      tail.flushBelow(plan.last + 1n, FLUSH, flushed); // rows must be there to be removed
      return { count: 0, more: true };
    }
    let rows = 0, logs = 0;
    for (const [log, pos] of plan.logs) {
      if (++logs > LOGS || rows >= LOG_ROWS) return { count: 0, more: true };
      const from = int(this.#selectTrimmed.get(log) ?? {}, "trimmed");
      const upTo = Math.min(pos, from + LOG_ROWS);
      const gone = this.#shorten(log, upTo, from);
      rows += gone;
      if (upTo >= pos || gone === 0) plan.logs.delete(log);
    }
    plan.at = "deleting";
    return { count: 0, more: true };
  }

  #deleteSome(plan: Plan): Removed {
    const step = plan.steps.shift();
    if (!step) throw new Error("Cannot remove: the plan has no more steps");
    while (plan.named[0] && plan.named[0].id <= step.upTo) this.#keepAnswer(plan.named.shift()!);
    while (plan.rooms[0] !== undefined && plan.rooms[0] <= step.upTo) this.#emptyMade(plan.rooms.shift()!);
    this.#deleteMessages.run(step.upTo);
    plan.most -= step.count;
    if (plan.steps.length === 0) this.#plan = undefined;
    return { count: step.count, more: true };
  }

  #emptyMade(message: bigint): void {
    for (const row of this.#selectMade.all(message)) {
      const log = int(row, "log");
      this.#empty.run(log, int(row, "pos"));
      this.#shorten(log, 0, 0);
    }
  }

  #keepAnswer(stored: Stored): void {
    const row = this.#selectContent.get(stored.id) ?? {};
    const content = { type: int(row, "type"), body: text(row, "body"), extra: text(row, "extra") };
    this.#deps.clientIds.keep(stored, content);
  }

  /** Rows up to `pos` go, and empty ones behind them. Gives how many positions those were. */
  #shorten(log: number, pos: number, from: number): number {
    const first = this.#selectFirst.get(log, pos);
    const last = first ?? this.#selectLast.get(log);
    if (!last) return 0; // all went before
    const trimmed = int(last, "pos") - (first ? 1 : 0);
    this.#deleteEntries.run(log, trimmed);
    const row = this.#trim.get(trimmed, log) ?? {};
    this.#deps.logs.trimmed(text(row, "app"), int(row, "kind"), text(row, "name"), trimmed);
    return trimmed - from;
  }
}
