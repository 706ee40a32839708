import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Faults } from "./faults.ts";

/** Thrown when it is not known, and must not be said, whether something was stored: only a restart can tell. */
export class Stop extends Error {
  override readonly name = "Stop";
}

/** "sync": it may be on disk although it was refused. "full": no room. "other": simply not stored. */
export type FailureKind = "sync" | "full" | "other";

/**
 * The writer's BEGIN, COMMIT and ROLLBACK, and what a failed COMMIT needs. A refused transaction whose frames reached
 * the WAL comes back when the database is opened after a crash; `undo` writes a tiny commit in their place.
 */
export class Transaction {
  readonly #db: DatabaseSync;
  readonly #faults: Faults;
  readonly #sync: "full" | "normal";
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  #open = false;
  #committing = false;

  constructor(db: DatabaseSync, faults: Faults, sync: "full" | "normal") {
    this.#db = db;
    this.#faults = faults;
    this.#sync = sync;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
  }

  get open(): boolean {
    return this.#open;
  }

  /** Begins, unless it has begun. */
  begin(): void {
    if (this.#open) return;
    this.#begin.run();
    this.#open = true;
  }

  /** @throws {Stop} it is durable, but something failed before anybody was told */
  commit(): void {
    this.#faults.at("before-commit");
    this.#committing = true;
    this.#faults.at("sync");
    this.#commit.run();
    this.#open = this.#committing = false;
    try {
      this.#faults.at("after-commit");
    } catch (thrown) {
      throw new Stop("Cannot answer: failed after a commit", { cause: thrown });
    }
  }

  /**
   * Nothing of the failed transaction stays, in the database and in its WAL.
   * @throws {Stop} when that is not certain
   */
  undo(thrown: unknown): FailureKind {
    const kind = this.#committing ? kindOf(thrown) : notWhileCommitting(thrown);
    this.#open = this.#committing = false;
    try {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      if (kind === "sync") this.#overwrite();
    } catch (cause) {
      throw new Stop("Cannot undo a failed commit: it may come back after a restart", { cause });
    }
    return kind;
  }

  #overwrite(): void {
    this.#faults.at("remedy");
    this.#db.exec(`
      PRAGMA synchronous = OFF;
      INSERT INTO meta VALUES ('failed_syncs', 1) ON CONFLICT DO UPDATE SET value = value + 1;
      PRAGMA synchronous = ${this.#sync}`);
  }
}

function kindOf(thrown: unknown): FailureKind {
  const message = thrown instanceof Error ? thrown.message : "";
  if (message.includes("database or disk is full")) return "full";
  return message.includes("disk I/O error") ? "sync" : "other";
}

/** Without COMMIT there is no commit frame that could come back. */
function notWhileCommitting(thrown: unknown): FailureKind {
  return kindOf(thrown) === "full" ? "full" : "other";
}

/** A failure in words for a person. */
export function problemOf(kind: FailureKind, cause: string): string {
  if (kind === "sync") return `Cannot store: the disk failed (${cause}); restart petrel when it is well`;
  return kind === "full" ? "Cannot store: the disk is full" : `Cannot store: ${cause}`;
}
