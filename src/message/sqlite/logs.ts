import type { DatabaseSync, StatementSync } from "node:sqlite";
import { big, int, text } from "./rows.ts";
import { KIND, type Kind } from "./schema.ts";

/** A stored message, as far as later rows and answers need it. Shared by all logs it is in. */
export interface Stored {
  readonly id: bigint;
  readonly sendTime: bigint;
  readonly conversation: number;
  readonly seq: number;
  readonly sender: number;
  readonly senderPos: number;
  readonly receiver: number;
  readonly receiverPos: number;
  readonly clientMsgId: string | undefined;
}

/** One dense sequence. Rows up to `written` are in `entries`; the last ones, `written + 1` and on, still wait. */
export interface Log {
  readonly id: number;
  /** Its name in memory. */
  readonly key: string;
  readonly epoch: bigint;
  written: number;
  waiting: Stored[];
  /** Client ids of the waiting rows that this account sent; made when needed. */
  clientIds: Map<string, Stored> | undefined;
}

/** The highest position given. */
export function headOf(log: Log): number {
  return log.written + log.waiting.length;
}

/** A message takes three logs before it adds to the first: none of them may be forgotten between. */
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
    this.#byName = db.prepare("SELECT id, epoch FROM logs WHERE app = ? AND kind = ? AND name = ?");
    this.#byName.setReadBigInts(true);
    this.#byId = db.prepare("SELECT app, kind, name FROM logs WHERE id = ?");
    this.#insert = db.prepare("INSERT INTO logs (app, kind, name, epoch) VALUES (?, ?, ?, ?)");
    this.#head = db.prepare("SELECT pos FROM entries WHERE log = ? ORDER BY pos DESC LIMIT 1");
  }

  get size(): number {
    return this.#fresh.size + this.#stale.size;
  }

  /** An account's log, only from memory. One that is not there has no waiting rows. */
  remembered(app: string, account: string): Log | undefined {
    const key = keyOf(app, KIND.account, account);
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
    const log = made(id, keyOf(app, kind, name), firstMessage, 0);
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

  /** After a failed commit memory may be ahead of the database. */
  forgetAll(): void {
    this.#fresh = new Map();
    this.#stale = new Map();
  }

  #read(key: string, app: string, kind: number, name: string): Log | undefined {
    const row = this.#byName.get(app, kind, name);
    if (!row) return undefined;
    const id = int(row, "id");
    const head = this.#head.get(id);
    return made(id, key, big(row, "epoch"), head ? int(head, "pos") : 0);
  }

  #remember(log: Log): void {
    if (this.#fresh.size >= this.#half) {
      const old = this.#stale;
      this.#stale = this.#fresh;
      this.#fresh = new Map();
      for (const one of old.values()) if (one.waiting.length > 0) this.#fresh.set(one.key, one);
    }
    this.#fresh.set(log.key, log);
  }
}

function made(id: number, key: string, epoch: bigint, written: number): Log {
  return { id, key, epoch, written, waiting: [], clientIds: undefined };
}

/** App names have no "/" and a kind is one digit, so no two logs share a key. */
function keyOf(app: string, kind: number, name: string): string {
  return `${kind}${app}/${name}`;
}
