import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { RequestKey } from "../message_store.ts";
import { int, text } from "./rows.ts";

/** What became of requests that no row of their own tells of; `kept_keys.answer` is the place in this list. */
const KEPT = ["refused", "changed", "became large"] as const;
export type Kept = (typeof KEPT)[number];

interface Waiting {
  readonly key: RequestKey;
  readonly answer: Kept;
  readonly atMs: number;
}

/**
 * The keys of requests that came again and were refused, and of changes of members, in the database: other copies of them
 * may come after a restart, from a chat server that was stopped in its tracks meanwhile. While nothing can be written,
 * refusals are in memory only.
 */
export class KeptKeys {
  readonly #rememberMs: number;
  readonly #insert: StatementSync;
  readonly #sweep: StatementSync;
  readonly #select: StatementSync;
  #waiting: Waiting[] = [];

  constructor(db: DatabaseSync, rememberMs: number) {
    this.#rememberMs = rememberMs;
    this.#insert = db.prepare(
      "INSERT INTO kept_keys (at, scope, n, answer) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    this.#sweep = db.prepare("DELETE FROM kept_keys WHERE at < ?");
    this.#select = db.prepare(
      "SELECT * FROM (SELECT at, scope, n, answer FROM kept_keys WHERE at >= ? ORDER BY at DESC LIMIT ?) ORDER BY at",
    );
    this.#select.setReadBigInts(true);
  }

  get unsaved(): boolean {
    return this.#waiting.length > 0;
  }

  /** @param nowMs Unix ms, as in all of this. */
  add(key: RequestKey, answer: Kept, nowMs: number): void {
    this.#waiting.push({ key, answer, atMs: Math.floor(nowMs) });
  }

  save(nowMs: number): void {
    if (!this.unsaved) return;
    for (const { key, answer, atMs } of this.#waiting) this.#insert.run(atMs, key.scope, key.n, KEPT.indexOf(answer));
    this.#sweep.run(Math.floor(nowMs) - this.#rememberMs);
  }

  saved(): void {
    if (this.unsaved) this.#waiting = [];
  }

  /** The transaction failed: gives the keys of its changes, which were not made. Refusals stand. */
  undo(): readonly RequestKey[] {
    const undone = this.#waiting.filter(({ answer }) => answer !== "refused").map(({ key }) => key);
    if (undone.length > 0) this.#waiting = this.#waiting.filter(({ answer }) => answer === "refused");
    return undone;
  }

  /** The newest that are still remembered, oldest first. */
  *load(nowMs: number, most: number): Iterable<{ readonly key: RequestKey; readonly answer: Kept }> {
    for (const row of this.#select.iterate(Math.floor(nowMs) - this.#rememberMs, most)) {
      const key = { scope: text(row, "scope"), n: int(row, "n"), low: 0 };
      yield { key, answer: KEPT[int(row, "answer")] ?? "refused" };
    }
  }
}
