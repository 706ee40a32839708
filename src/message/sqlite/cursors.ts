import type { DatabaseSync, StatementSync } from "node:sqlite";
import { headOf, type Logs } from "./logs.ts";
import type { Ack } from "./messages.ts";
import { int } from "./rows.ts";
import { KIND } from "./schema.ts";
import type { Transaction } from "./transaction.ts";

/** How far each device has read its account's inbox. */
export class Cursors {
  readonly #logs: Logs;
  readonly #select: StatementSync;
  readonly #move: StatementSync;

  constructor(db: DatabaseSync, logs: Logs) {
    this.#logs = logs;
    this.#select = db.prepare("SELECT pos FROM cursors WHERE account = ? AND device = ?");
    this.#move = db.prepare(
      `INSERT INTO cursors (account, device, pos) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET pos = excluded.pos`,
    );
  }

  /** The position, where nothing has to be written; else what moves it. */
  ack({ app, account, device, pos }: Ack): number | ((transaction: Transaction) => number) {
    const log = this.#logs.find(app, KIND.account, account);
    if (!log) return 0;
    const row = this.#select.get(log.id, device);
    const now = row ? int(row, "pos") : 0;
    const next = Math.min(pos, headOf(log));
    if (next <= now) return now;
    return (transaction) => {
      transaction.begin();
      this.#move.run(log.id, device, next);
      return next;
    };
  }
}
