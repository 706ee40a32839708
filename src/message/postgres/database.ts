import postgres from "postgres";
import { Backoff } from "../../base/backoff.ts";
import { type Clock, sleep } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";

/** Connections, `bigint` as bigint. */
export type Sql = postgres.Sql<{ bigint: bigint }>;
/** One transaction. */
export type Tx = postgres.TransactionSql<{ bigint: bigint }>;

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** Schema that has the tables. */
  readonly schema: string;
  readonly connections: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Names a transaction; grows with time. */
  readonly newId: () => bigint;
  /** Runs at named places of a transaction; for tests. */
  readonly fault: (place: "statement" | "commit") => void;
}

/** Repetitions of a transaction that another one was in the way of. */
const ATTEMPTS = 8;
/** A transaction that takes longer is given up, with all connections: the network swallows what is sent. */
const STALL_MS = 20_000;
/** The server itself gives up a statement sooner. */
const STATEMENT_MS = 15_000;
const RETRY = { baseMs: 50, maxMs: 2_000 };

/** serialization_failure, deadlock_detected, unique_violation (two processes made the same row), lock_not_available. */
const AGAIN = new Set(["40001", "40P01", "23505", "55P03"]);

/**
 * A database that may restart, hang, or lose our connections at any moment. `transact` knows the outcome of every
 * transaction before it says anything:
 *
 *     BEGIN; INSERT the transaction's id into batches; …; COMMIT ── answered ──► committed
 *                                                           └── lost ──► INSERT the same id again, as a fence:
 *          waits for the lost one if it still runs; finds its row: it was committed; makes the row: it never can be
 */
export class Database implements AsyncDisposable {
  readonly #options: DatabaseOptions;
  #sql: Sql;
  #problem: string | undefined;
  #closed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#sql = this.#connect();
  }

  /** For reads. Failures are to be passed through `failure`. */
  get sql(): Sql {
    return this.#sql;
  }

  /** Why the last transaction failed; undefined: it did not. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Runs `body` in a transaction of its own, again when another transaction was in the way. Resolves when committed.
   * Rejects with SYSTEM when nothing was stored. As long as the outcome is unknown it does neither.
   */
  async transact<T>(body: (tx: Tx) => Promise<T>): Promise<T> {
    const backoff = new Backoff(Math.random, RETRY);
    for (;;) {
      const id = this.#options.newId();
      let result: { readonly value: T } | undefined;
      try {
        const value = await this.#guarded((sql) =>
          sql.begin(async (tx) => {
            const [, done] = await Promise.all([tx`INSERT INTO batches VALUES (${String(id)}, false)`, body(tx)]);
            this.#options.fault("commit");
            result = { value: done };
            return result;
          })
        ) as { readonly value: T };
        this.#problem = undefined;
        return value.value;
      } catch (thrown) {
        if (result && await this.#wasCommitted(id)) {
          this.#problem = undefined;
          return result.value;
        }
        if (!isInTheWay(thrown) || backoff.failures === ATTEMPTS) {
          this.#problem = thrown instanceof ImError ? this.#problem : words(thrown);
          throw this.failure(thrown);
        }
        await sleep(this.#options.clock, backoff.next());
      }
    }
  }

  /** What reads and transactions reject with. */
  failure(thrown: unknown): ImError {
    if (thrown instanceof ImError) return thrown;
    if (this.#closed) return new ImError("CLOSED", "Cannot ask the store: it is closed", { cause: thrown });
    return new ImError("SYSTEM", `Cannot ask the database: ${words(thrown)}`, { cause: thrown });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#sql.end({ timeout: 5 });
  }

  #connect(): Sql {
    const { url, schema, connections } = this.#options;
    return postgres(url, {
      max: connections,
      types: { bigint: postgres.BigInt },
      fetch_types: false,
      onnotice: () => {},
      connect_timeout: 5,
      keep_alive: 10,
      backoff: (attempt: number) => Math.min(2, 0.1 * 2 ** attempt),
      connection: { search_path: schema, application_name: "petrel", statement_timeout: STATEMENT_MS },
    });
  }

  /** When nothing is heard for STALL_MS all connections are dropped, which ends what waits on them. */
  async #guarded<T>(run: (sql: Sql) => Promise<T>): Promise<T> {
    const sql = this.#sql;
    const stall = this.#options.clock.after(STALL_MS, () => {
      if (this.#sql !== sql || this.#closed) return;
      this.#options.log.error("database does not answer, connecting anew", { afterMs: STALL_MS });
      this.#sql = this.#connect();
      void sql.end({ timeout: 0 });
    });
    try {
      return await run(sql);
    } finally {
      stall.stop();
    }
  }

  /** Asks until there is an answer. After "no" it never can be committed. */
  async #wasCommitted(id: bigint): Promise<boolean> {
    const backoff = new Backoff(Math.random, RETRY);
    for (;;) {
      try {
        const [row] = await this.#guarded((sql) =>
          sql<[{ fenced: boolean }]>`INSERT INTO batches VALUES (${String(id)}, true)
            ON CONFLICT (id) DO UPDATE SET fenced = batches.fenced RETURNING fenced`
        );
        return !row.fenced;
      } catch (thrown) {
        this.#problem = words(thrown);
        if (backoff.failures === 0) {
          this.#options.log.warn("a commit's outcome is unknown, asking", { problem: this.#problem });
        }
        if (this.#closed) throw this.failure(thrown);
        await sleep(this.#options.clock, backoff.next());
      }
    }
  }
}

/** Thrown inside a transaction when another process did the same meanwhile: it is repeated. */
export class InTheWay extends Error {
  override readonly name = "InTheWay";
}

function isInTheWay(thrown: unknown): boolean {
  return thrown instanceof InTheWay || (thrown instanceof postgres.PostgresError && AGAIN.has(thrown.code));
}

function words(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
}
