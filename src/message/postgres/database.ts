import postgres from "postgres";
import { Backoff } from "../../base/backoff.ts";
import { type Clock, sleep } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { snowflakeMs } from "../../id/snowflake.ts";
import { Ended, inTransaction, isLost, type Pool, type Sql, type Tx } from "./transaction.ts";
import { neverRejectTypeQuestion } from "./type_question.ts";

export type { Sql, Tx } from "./transaction.ts";

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
  /** See STALL_MS. */
  readonly stallMs?: number | undefined;
}

/** Repetitions of a transaction that another one was in the way of. */
const ATTEMPTS = 8;
/** A transaction or read that takes longer is given up, with all connections: the network swallows what is sent. */
const STALL_MS = 20_000;
/** The server itself gives up sooner: a statement, and a transaction whose client is gone without a word. */
const SERVER_MS = { statement_timeout: 15_000, idle_in_transaction_session_timeout: 10_000 };
const RETRY = { baseMs: 50, maxMs: 2_000 };
/** Rows of `batches` are removed after a day: what is nearly that old proves nothing when it is missing. */
const REMEMBER_MS = 20 * 3_600_000;

/** serialization_failure, deadlock_detected, unique_violation (two processes made the same row), lock_not_available. */
const AGAIN = /^(40001|40P01|23505|55P03)$/;

/**
 * A database that may restart, hang, or lose our connections at any moment. `transact` knows the outcome of every
 * transaction before it says anything:
 *
 *     BEGIN; INSERT the transaction's id into batches; …; COMMIT ── answered ──► committed
 *                                                           └── lost ──► INSERT the same id again, as a fence:
 *          waits for the lost one if it still runs; finds its row: it was committed; makes the row: it never can be
 *
 * Its first statement also tells which server this is. After a restart the last transaction that was committed is looked
 * for: a server that lacks it is an older copy, whose logs get another epoch before anything is written.
 */
export class Database implements AsyncDisposable {
  readonly #options: DatabaseOptions;
  #pool: Pool;
  readonly #ending = new Set<Pool>();
  #problem: string | undefined;
  #closed = false;
  /** When the server started, and which `batches` it has. */
  #server: string | undefined;
  /** The last transaction that is known to be committed. */
  #last: bigint | undefined;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#pool = this.#connect();
  }

  /** Why the last transaction failed; undefined: it did not. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Runs statements on any connection. */
  async read<T>(run: (sql: Sql) => Promise<T>): Promise<T> {
    try {
      return await this.#guarded(run);
    } catch (thrown) {
      throw this.failure(thrown);
    }
  }

  /**
   * Runs `body` in a transaction of its own, again when another transaction was in the way, or the server restarts.
   * Resolves when committed. Rejects with SYSTEM when nothing was stored. As long as the outcome is unknown it does
   * neither.
   */
  async transact<T>(body: (tx: Tx) => Promise<T>): Promise<T> {
    const backoff = new Backoff(Math.random, RETRY);
    for (;;) {
      const id = this.#options.newId();
      let result = undefined as { readonly value: T } | undefined; // set by the callback
      if (this.#pool.lost) this.#renew(this.#pool, 5);
      const pool = this.#pool;
      try {
        await this.#guarded((sql) =>
          inTransaction(sql, pool, async (tx) => {
            const [, value] = await Promise.all([this.#enter(tx, id), body(tx)]);
            this.#options.fault("commit");
            result = { value };
          })
        );
        if (result) return this.#committed(id, result.value);
      } catch (thrown) {
        if (isLost(thrown)) this.#renew(pool, 5);
        if (result && await this.#wasCommitted(id)) return this.#committed(id, result.value);
        if (thrown instanceof OtherServer) await this.#meet(thrown.server);
        else if (!this.#isWorthwhile(thrown) || backoff.failures === ATTEMPTS) {
          if (!(thrown instanceof ImError)) this.#problem = words(thrown);
          throw this.failure(thrown);
        } else await sleep(this.#options.clock, backoff.next());
      }
    }
  }

  /** What reads and transactions reject with. */
  failure(thrown: unknown): ImError {
    if (thrown instanceof ImError) return thrown;
    if (this.#closed) return new ImError("CLOSED", "Cannot ask the store: it is closed", { cause: thrown });
    return new ImError("SYSTEM", `Cannot ask the database: ${words(thrown)}`, { cause: thrown });
  }

  /** What is asked ends with CLOSED, after a moment at most. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const { lost } = this.#pool;
    await Promise.all([end(this.#pool, lost ? 0 : 5), ...[...this.#ending].map((one) => end(one, 0))]);
  }

  #committed<T>(id: bigint, value: T): T {
    if (this.#problem !== undefined) this.#options.log.info("database can be used again", { was: this.#problem });
    this.#problem = undefined;
    if (this.#last === undefined || id > this.#last) this.#last = id;
    return value;
  }

  /** A deadlock and the like passes; so does a restart, but who has seen one of its attempts fail does not wait again. */
  #isWorthwhile(thrown: unknown): boolean {
    if (thrown instanceof InTheWay) return true;
    if (thrown instanceof ImError || this.#closed) return false;
    if (thrown instanceof postgres.PostgresError && AGAIN.test(thrown.code)) return true;
    return this.#problem === undefined && isLost(thrown);
  }

  /** @throws {OtherServer} */
  async #enter(tx: Tx, id: bigint): Promise<void> {
    const [{ server }] = await tx<[{ server: string }]>`INSERT INTO batches VALUES (${String(id)}, false)
      RETURNING pg_postmaster_start_time() || ' ' || pg_relation_filenode('batches') AS server`;
    if (this.#server === server) return;
    if (this.#server !== undefined) throw new OtherServer(server);
    this.#server = server;
  }

  /** The server was started anew, or its tables were made anew: from a copy that lacks what we committed? */
  async #meet(server: string): Promise<void> {
    const last = this.#last;
    if (last !== undefined && snowflakeMs(last) > this.#options.clock.now() - REMEMBER_MS) {
      const epoch = String(this.#options.newId());
      const lost = await this.#guarded((sql) =>
        sql`UPDATE state SET epoch = ${epoch}
          WHERE NOT EXISTS (SELECT 1 FROM batches WHERE id = ${String(last)} AND NOT fenced) RETURNING 1`
      );
      if (lost.length > 0) {
        this.#options.log.error("database came back without messages that were stored: every log has a new epoch", {
          lastSeen: new Date(snowflakeMs(last)).toISOString(),
        });
      }
    }
    this.#server = server;
  }

  #connect(): Pool {
    const { url, schema, connections } = this.#options;
    const sql = postgres(url, {
      max: connections,
      types: { bigint: postgres.BigInt },
      fetch_types: true, // else postgres.js never gives a new connection to who reserves one
      onnotice: () => {},
      onclose: () => void (pool.lost = true),
      max_lifetime: null, // a connection that closes by itself would be one that was lost
      connect_timeout: 5,
      keep_alive: 10,
      backoff: (attempt: number) => Math.min(2, 0.1 * 2 ** attempt),
      connection: { search_path: schema, application_name: "petrel", ...SERVER_MS },
    });
    neverRejectTypeQuestion(sql`SELECT 1`);
    const pool: Pool = { sql, lost: false, waiting: new Set() };
    return pool;
  }

  /** Other connections for these, which have so many seconds left. False: they are not in use any more. */
  #renew(pool: Pool, seconds: number): boolean {
    if (this.#pool !== pool || this.#closed) return false;
    this.#pool = this.#connect();
    this.#ending.add(pool);
    void end(pool, seconds).then(() => this.#ending.delete(pool));
    return true;
  }

  /** When nothing is heard for so long all connections are dropped, which ends what waits on them. */
  async #guarded<T>(run: (sql: Sql) => Promise<T>): Promise<T> {
    if (this.#closed) throw this.failure(new Ended()); // an ended pool would let whoever asks wait for ever
    const pool = this.#pool;
    const { stallMs = STALL_MS, log } = this.#options;
    const stall = this.#options.clock.after(stallMs, () => {
      if (this.#renew(pool, 0)) log.error("database does not answer, connecting anew", { afterMs: stallMs });
    });
    const { promise: over, reject } = Promise.withResolvers<never>();
    pool.waiting.add(reject);
    try {
      return await Promise.race([run(pool.sql), over]);
    } finally {
      pool.waiting.delete(reject);
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
        this.#problem = undefined;
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

/** Thrown inside a transaction that reached another server than the one before. */
class OtherServer extends Error {
  override readonly name = "OtherServer";
  readonly server: string;

  constructor(server: string) {
    super("Cannot go on: the server was restarted");
    this.server = server;
  }
}

/** Ends all connections, whatever became of them, and with them whoever still waits. */
async function end(pool: Pool, seconds: number): Promise<void> {
  await pool.sql.end({ timeout: seconds }).catch(() => {});
  for (const reject of pool.waiting) reject(new Ended());
}

function words(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
}
