import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Clock } from "../../base/clock.ts";
import { snowflakeMs } from "../../id/snowflake.ts";
import { type ClientIds, isForgotten } from "./client_ids.ts";
import { eachInFan } from "./fan.ts";
import type { Logs } from "./logs.ts";
import { type Stored, storedOf } from "./stored.ts";
import { int, maybeBytes, NUMBER_COLUMNS, text, whole } from "./rows.ts";

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
  readonly clientIds: ClientIds;
}

/**
 * Removes the oldest messages with their rows, a slice in each transaction. Every log loses its beginning; `trimmed`
 * says how much, and with an empty log it is the head. A row that was made late (`sent`) may stand behind younger ones:
 * it becomes a row of message 0, which nobody is shown, until all before it is gone.
 */
export class Retention {
  readonly #deps: RetentionDeps;
  readonly #selectOldest: StatementSync;
  readonly #selectContent: StatementSync;
  readonly #deleteMessages: StatementSync;
  readonly #selectMade: StatementSync;
  readonly #empty: StatementSync;
  readonly #selectFirst: StatementSync;
  readonly #selectLast: StatementSync;
  readonly #deleteEntries: StatementSync;
  readonly #trim: StatementSync;

  constructor(deps: RetentionDeps) {
    const { db } = this.#deps = deps;
    this.#selectOldest = db.prepare(`SELECT ${NUMBER_COLUMNS}, fan FROM messages WHERE id < ? ORDER BY id LIMIT ?`);
    this.#selectOldest.setReadBigInts(true);
    this.#selectContent = db.prepare(`SELECT type, ${whole("body")}, ${whole("extra")} FROM messages WHERE id = ?`);
    this.#deleteMessages = db.prepare("DELETE FROM messages WHERE id <= ?");
    this.#selectMade = db.prepare("SELECT log, pos FROM entries WHERE message = ? AND sent IS NOT NULL");
    this.#empty = db.prepare("UPDATE entries SET message = 0, sent = NULL WHERE log = ? AND pos = ?");
    this.#selectFirst = db.prepare(
      "SELECT pos FROM entries WHERE log = ? AND pos > ? AND message != 0 ORDER BY pos LIMIT 1",
    );
    this.#selectLast = db.prepare("SELECT pos FROM entries WHERE log = ? ORDER BY pos DESC LIMIT 1");
    this.#deleteEntries = db.prepare("DELETE FROM entries WHERE log = ? AND pos <= ?");
    this.#trim = db.prepare("UPDATE logs SET trimmed = ? WHERE id = ? RETURNING app, kind, name");
  }

  /** The newest message of the next slice; undefined: there is nothing to remove. */
  last(before: bigint, most: number): bigint | undefined {
    let last: bigint | undefined;
    for (const row of this.#selectOldest.iterate(NO_FLOOR, most)) {
      const { id, sendTime } = storedOf(row);
      if (sendTime >= before) break;
      last = id;
    }
    return last;
  }

  /**
   * Removes messages sent before that time (Unix ns), at most `most`, and few enough for one transaction. Needs one.
   * @param floor messages from here on have rows in memory and stay.
   */
  remove(before: bigint, most: number, floor: bigint | undefined): Removed {
    const removed: Stored[] = [];
    const upTo = new Map<number, number>();
    const reach = (log: number, pos: number) => upTo.set(log, Math.max(pos, upTo.get(log) ?? 0));
    let rows = 0;
    for (const row of this.#selectOldest.iterate(floor ?? NO_FLOOR, most)) {
      const stored = storedOf(row);
      if (stored.sendTime >= before || rows >= SLICE_ROWS) break;
      removed.push(stored);
      reach(stored.conversation, stored.seq);
      rows += 4;
      if (stored.form === "pair") {
        reach(stored.sender, stored.senderPos);
        reach(stored.receiver, stored.receiverPos);
      } else if (stored.form === "fan") {
        const fan = maybeBytes(row, "fan") ?? new Uint8Array(0);
        eachInFan(fan, reach);
        rows += fan.length / 8;
      }
    }
    const last = removed.at(-1);
    if (!last) return { count: 0, more: false };
    for (const one of removed) {
      this.#keepAnswer(one);
      if (one.form === "room") this.#emptyMade(one.id, upTo);
    }
    this.#deleteMessages.run(last.id);
    for (const [log, pos] of upTo) this.#shorten(log, pos);
    return { count: removed.length, more: true };
  }

  #keepAnswer(stored: Stored): void {
    const { clock, clientIds } = this.#deps;
    if (stored.clientMsgId === undefined || isForgotten(snowflakeMs(stored.id), clock.now())) return;
    const row = this.#selectContent.get(stored.id) ?? {};
    clientIds.keep(stored, { type: int(row, "type"), body: text(row, "body"), extra: text(row, "extra") });
  }

  #emptyMade(message: bigint, upTo: Map<number, number>): void {
    for (const row of this.#selectMade.all(message)) {
      const log = int(row, "log");
      this.#empty.run(log, int(row, "pos"));
      if (!upTo.has(log)) upTo.set(log, 0);
    }
  }

  /** Rows up to `pos` go, and empty ones behind them. */
  #shorten(log: number, pos: number): void {
    const first = this.#selectFirst.get(log, pos);
    const trimmed = int(first ?? this.#selectLast.get(log) ?? {}, "pos") - (first ? 1 : 0);
    this.#deleteEntries.run(log, trimmed);
    const row = this.#trim.get(trimmed, log) ?? {};
    this.#deps.logs.trimmed(text(row, "app"), int(row, "kind"), text(row, "name"), trimmed);
  }
}

/** Rows that one slice removes, about: a few ms. */
const SLICE_ROWS = 1_500;
const NO_FLOOR = 0x7fff_ffff_ffff_ffffn;
