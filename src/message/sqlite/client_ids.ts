import type { DatabaseSync, StatementSync } from "node:sqlite";
import { int, text, whole } from "./rows.ts";

/** How long a client's own message id is remembered: 7 days. */
const REMEMBER_MS = 7 * 24 * 3_600_000;

/**
 * The written part of the client ids (what waits is in the logs of the tail). Old rows are not seen, and go while new
 * ones come: for every row written two are looked at, in the order of the table, over and over.
 */
export class ClientIds {
  readonly #select: StatementSync;
  readonly #skip: StatementSync;
  readonly #delete: StatementSync;
  /** Where the sweep is. */
  #at: Key = START;

  constructor(db: DatabaseSync) {
    this.#select = db.prepare("SELECT message FROM dedupe WHERE account = ? AND client_msg_id = ?");
    this.#select.setReadBigInts(true);
    this.#skip = db.prepare(
      `SELECT account, ${whole("client_msg_id")} FROM dedupe WHERE (account, client_msg_id) > (?, ?)
       ORDER BY account, dedupe.client_msg_id LIMIT 1 OFFSET ?`,
    );
    this.#delete = db.prepare(
      `DELETE FROM dedupe WHERE (account, client_msg_id) > (?, ?)
       AND (account, client_msg_id) <= (?, ?) AND created < ?`,
    );
  }

  /** The message that was stored with this id, maybe long ago. */
  find(account: number, id: string): bigint | undefined {
    const message = this.#select.get(account, id)?.["message"];
    return typeof message === "bigint" ? message : undefined;
  }

  /** Looks at the next `count` rows and deletes the old ones. Needs a transaction. */
  sweep(count: number, nowMs: number): void {
    const row = this.#skip.get(this.#at.account, this.#at.id, count - 1);
    const end = row ? { account: int(row, "account"), id: text(row, "client_msg_id") } : END;
    this.#delete.run(this.#at.account, this.#at.id, end.account, end.id, nowMs - REMEMBER_MS);
    this.#at = row ? end : START;
  }
}

interface Key {
  readonly account: number;
  readonly id: string;
}

/** Before the first row, and behind the last. */
const START: Key = { account: -1, id: "" };
const END: Key = { account: Number.MAX_SAFE_INTEGER, id: "" };

/** Is a client id of that time (ms) no longer to be remembered? */
export function isForgotten(createdMs: number, nowMs: number): boolean {
  return createdMs < nowMs - REMEMBER_MS;
}
