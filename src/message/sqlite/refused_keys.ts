import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { RequestKey } from "../message_store.ts";
import { int, text } from "./rows.ts";

/**
 * The keys of requests that came again and were refused, in the database: their first copies may come after a restart,
 * from a chat server that was stopped in its tracks meanwhile. While nothing can be written they are in memory only.
 */
export class RefusedKeys {
  readonly #rememberMs: number;
  readonly #insert: StatementSync;
  readonly #sweep: StatementSync;
  readonly #select: StatementSync;
  #waiting: { readonly key: RequestKey; readonly atMs: number }[] = [];

  constructor(db: DatabaseSync, rememberMs: number) {
    this.#rememberMs = rememberMs;
    this.#insert = db.prepare("INSERT INTO refused VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
    this.#sweep = db.prepare("DELETE FROM refused WHERE at < ?");
    this.#select = db.prepare(
      "SELECT * FROM (SELECT at, scope, n FROM refused WHERE at >= ? ORDER BY at DESC LIMIT ?) ORDER BY at",
    );
    this.#select.setReadBigInts(true);
  }

  get unsaved(): boolean {
    return this.#waiting.length > 0;
  }

  /** @param nowMs Unix ms, as in all of this. */
  add(key: RequestKey, nowMs: number): void {
    this.#waiting.push({ key, atMs: Math.floor(nowMs) });
  }

  save(nowMs: number): void {
    if (!this.unsaved) return;
    for (const { key, atMs } of this.#waiting) this.#insert.run(atMs, key.scope, key.n);
    this.#sweep.run(Math.floor(nowMs) - this.#rememberMs);
  }

  saved(): void {
    if (this.unsaved) this.#waiting = [];
  }

  /** The newest that are still remembered, oldest first. */
  *load(nowMs: number, most: number): Iterable<RequestKey> {
    for (const row of this.#select.iterate(Math.floor(nowMs) - this.#rememberMs, most)) {
      yield { scope: text(row, "scope"), n: int(row, "n"), low: 0 };
    }
  }
}
