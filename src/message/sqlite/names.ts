import type { DatabaseSync, StatementSync } from "node:sqlite";
import { text } from "./rows.ts";

const NAMES_KEPT = 100_000;

/** Names of logs by number, remembered: they never change. */
export class Names {
  readonly #known = new Map<number, string>();
  readonly #select: StatementSync;

  constructor(db: DatabaseSync) {
    this.#select = db.prepare("SELECT name FROM logs WHERE id = ?");
  }

  get(log: number): string {
    let name = this.#known.get(log);
    if (name === undefined) {
      const row = this.#select.get(log);
      if (!row) throw new Error(`Cannot read log ${log}: it is not there`);
      if (this.#known.size >= NAMES_KEPT) this.#known.clear();
      this.#known.set(log, name = text(row, "name"));
    }
    return name;
  }
}
