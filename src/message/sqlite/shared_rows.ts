import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Stored } from "./stored.ts";

/** From so many rows on, a run costs less this way than with values of its own. */
export const SHARED_RUN = 24;

/** What of a group is in the temporary table. */
interface Loaded {
  from: number;
  /** Exclusive. */
  to: number;
}

/**
 * Rows of group messages for many members' logs. What differs between members are a log and a position, so the rest is
 * put into a temporary table once and copied from there: a third of the time of binding every row's values.
 */
export class SharedRows {
  readonly #put: StatementSync;
  readonly #copy: StatementSync;
  readonly #clear: StatementSync;
  /** By group. */
  readonly #loaded = new Map<number, Loaded>();

  constructor(db: DatabaseSync) {
    db.exec(`
      PRAGMA temp_store = MEMORY;
      CREATE TEMP TABLE shared_rows (
        grp INTEGER, seq INTEGER, message INTEGER, sender INTEGER, send_time INTEGER, PRIMARY KEY (grp, seq)
      ) WITHOUT ROWID`);
    this.#put = db.prepare("INSERT OR IGNORE INTO temp.shared_rows VALUES (?, ?, ?, ?, ?)");
    this.#copy = db.prepare(
      `INSERT INTO entries (log, pos, message, direction, peer, grp, send_time)
       SELECT ?1, ?2 + seq, message, sender = ?1, sender, grp, send_time FROM temp.shared_rows
       WHERE grp = ?3 AND seq >= ?4 AND seq < ?5 ORDER BY seq`,
    );
    this.#clear = db.prepare("DELETE FROM temp.shared_rows");
  }

  /** Writes messages `from` to `to` (exclusive) of that list, of one group and without a gap, at `pos` and on. */
  write(log: number, pos: number, list: readonly Stored[], from: number, to: number): void {
    const { conversation, seq } = list[from]!;
    const end = seq + to - from;
    const loaded = this.#loaded.get(conversation);
    if (!loaded || seq < loaded.from || end > loaded.to) {
      for (let i = from; i < to; i++) this.#load(list[i]!);
      this.#loaded.set(
        conversation,
        loaded && seq <= loaded.to && end >= loaded.from
          ? { from: Math.min(seq, loaded.from), to: Math.max(end, loaded.to) }
          : { from: seq, to: end },
      );
    }
    this.#copy.run(log, pos - seq, conversation, seq, end);
  }

  /** The transaction is about to end. */
  clear(): void {
    if (this.#loaded.size === 0) return;
    this.#clear.run();
    this.#loaded.clear();
  }

  /** The transaction failed, and took back what was in the table. */
  forget(): void {
    this.#loaded.clear();
  }

  #load({ conversation, seq, id, sender, sendTime }: Stored): void {
    this.#put.run(conversation, seq, id, sender, sendTime);
  }
}
