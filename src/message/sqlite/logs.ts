import type { DatabaseSync, StatementSync } from "node:sqlite";
import { big, int, text } from "./rows.ts";
import type { Kind } from "./schema.ts";
import type { Stored } from "./stored.ts";

/** One dense sequence. Rows up to `written` are in `entries`; the last ones, `written + 1` and on, still wait. */
export interface Log {
  readonly id: number;
  /** Its name in memory. */
  readonly key: string;
  /** Account, pair or group id, as in the database. */
  readonly name: string;
  readonly epoch: bigint;
  /** Positions up to here were removed. */
  trimmed: number;
  written: number;
  waiting: Stored[];
  /** Client ids of the waiting rows that this account sent; made when needed. */
  clientIds: Map<string, Stored> | undefined;
  /** No longer in memory: another object may stand for this log, which must be found anew. */
  forgotten: boolean;
}

/** The highest position given. */
export function headOf(log: Log): number {
  return log.written + log.waiting.length;
}

/** A talk takes three logs before it adds to the first: none of them may be forgotten between. */
const LEAST_HALF = 8;

/**
 * Logs by name, from memory or from the database. Remembers up to `most` (about 300 bytes each) and those with
 * waiting rows; the others that were not used for longest are forgotten, half of them at once.
 */
export class Logs {
  readonly #half: number;
  #fresh = new Map<string, Log>();
  #stale = new Map<string, Log>();
  readonly #byName: StatementSync;
  readonly #byId: StatementSync;
  readonly #insert: StatementSync;
  readonly #head: StatementSync;

  constructor(db: DatabaseSync, most: number) {
    this.#half = Math.max(LEAST_HALF, Math.ceil(most / 2));
    this.#byName = db.prepare("SELECT id, epoch, trimmed FROM logs WHERE app = ? AND kind = ? AND name = ?");
    this.#byName.setReadBigInts(true);
    this.#byId = db.prepare("SELECT app, kind, name FROM logs WHERE id = ?");
    this.#insert = db.prepare("INSERT INTO logs (app, kind, name, epoch) VALUES (?, ?, ?, ?)");
    this.#head = db.prepare("SELECT pos FROM entries WHERE log = ? ORDER BY pos DESC LIMIT 1");
  }

  get size(): number {
    return this.#fresh.size + this.#stale.size;
  }

  /** Only from memory. One that is not there has no waiting rows. */
  remembered(app: string, kind: number, name: string): Log | undefined {
    const key = keyOf(app, kind, name);
    return this.#fresh.get(key) ?? this.#stale.get(key);
  }

  /** From now on the log has waiting rows and must not be forgotten. */
  keep(log: Log): void {
    if (this.#fresh.get(log.key) !== log) this.#remember(log);
  }

  /** hot: three per message */
  find(app: string, kind: number, name: string): Log | undefined {
    const key = keyOf(app, kind, name);
    const known = this.#fresh.get(key);
    if (known) return known;
    const log = this.#stale.get(key) ?? this.#read(key, app, kind, name);
    if (log) this.#remember(log);
    return log;
  }

  /** Finds it, or makes it with the id of its first message as epoch (inside the present transaction). */
  obtain(app: string, kind: Kind, name: string, firstMessage: bigint): Log {
    const known = this.find(app, kind, name);
    if (known) return known;
    const id = Number(this.#insert.run(app, kind, name, firstMessage).lastInsertRowid);
    const log = made(id, keyOf(app, kind, name), name, firstMessage);
    this.#remember(log);
    return log;
  }

  /** By number, for rows read from the database. */
  get(id: number): Log {
    const row = this.#byId.get(id);
    const log = row && this.find(text(row, "app"), int(row, "kind"), text(row, "name"));
    if (!log) throw new Error(`Cannot read log: no row has id ${id}`);
    return log;
  }

  /** Its rows up to there were removed. */
  trimmed(app: string, kind: number, name: string, upTo: number): void {
    const key = keyOf(app, kind, name);
    const log = this.#fresh.get(key) ?? this.#stale.get(key);
    if (log) log.trimmed = upTo;
  }

  /** After a failed commit memory may be ahead of the database. */
  forgetAll(): void {
    for (const one of this.#fresh.values()) one.forgotten = true;
    for (const one of this.#stale.values()) one.forgotten = true;
    this.#fresh = new Map();
    this.#stale = new Map();
  }

  #read(key: string, app: string, kind: number, name: string): Log | undefined {
    const row = this.#byName.get(app, kind, name);
    if (!row) return undefined;
    const id = int(row, "id");
    const log = made(id, key, name, big(row, "epoch"));
    const head = this.#head.get(id);
    log.trimmed = int(row, "trimmed");
    log.written = head ? int(head, "pos") : log.trimmed;
    return log;
  }

  #remember(log: Log): void {
    if (this.#fresh.size >= this.#half) {
      const old = this.#stale;
      this.#stale = this.#fresh;
      this.#fresh = new Map();
      for (const one of old.values()) {
        if (one.waiting.length > 0) this.#fresh.set(one.key, one);
        else if (this.#stale.get(one.key) !== one) one.forgotten = true;
      }
    }
    log.forgotten = false;
    this.#fresh.set(log.key, log);
  }
}

function made(id: number, key: string, name: string, epoch: bigint): Log {
  return { id, key, name, epoch, trimmed: 0, written: 0, waiting: [], clientIds: undefined, forgotten: false };
}

/** App names have no "/" and a kind is one digit, so no two logs share a key. */
function keyOf(app: string, kind: number, name: string): string {
  return `${kind}${app}/${name}`;
}
