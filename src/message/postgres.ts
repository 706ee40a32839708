import { Kysely } from "kysely";
import { Migrator } from "kysely/migration";
import { PostgresJSDialect } from "kysely-postgres-js";
import postgres from "postgres";
import { type Clock, sleep, systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { type Logger, silent } from "../base/logger.ts";
import { MonotonicNs } from "../base/monotonic_ns.ts";
import { Snowflake, snowflakeAt } from "../id/snowflake.ts";
import { Database } from "./postgres/database.ts";
import { MIGRATIONS } from "./postgres/migrations.ts";
import { PostgresStore } from "./postgres/store.ts";

export { PostgresStore } from "./postgres/store.ts";

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`. */
  readonly url: string;
  /** Schema that has the tables; made when it is not there. Default "petrel". */
  readonly schema?: string | undefined;
  /** Node number in message ids, 0 to 1023; no two processes share one. */
  readonly node?: number | undefined;
  /** Default 10. */
  readonly connections?: number | undefined;
  /** A group with more members is large. Default 500. */
  readonly inboxGroup?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly log?: Logger | undefined;
  /** For tests: runs at named places of a transaction and may throw. */
  readonly fault?: ((place: "statement" | "commit") => void) | undefined;
}

const SCHEMA = "petrel";
const RETRY_MS = 1_000;

/**
 * Opens a store whose schema is up to date (`migratePostgres`). A database that cannot be reached is waited for.
 * @throws {ImError} CONFIG: not migrated, newer than this build, wrong password or database.
 */
export async function openPostgresStore(options: PostgresOptions): Promise<PostgresStore> {
  const { url, schema = SCHEMA, node = 0, connections = 10, inboxGroup = 500 } = options;
  const { clock = systemClock, log = silent, fault = () => {} } = options;
  const ids = new Snowflake(clock, node, snowflakeAt(clock.now()));
  const db = new Database({ url, schema, connections, clock, log, fault, newId: () => ids.next() });
  try {
    await reachable(options, () => checkVersion(db));
    return new PostgresStore({ db, clock, log, ids, times: new MonotonicNs(clock), inboxGroup, fault });
  } catch (thrown) {
    await db[Symbol.asyncDispose]();
    throw thrown;
  }
}

/**
 * Makes the schema, or brings it up to date; gives the names of the steps it took. Waits for a database that cannot be
 * reached. Several processes may do it at once. @throws {ImError} CONFIG
 */
export async function migratePostgres(options: PostgresOptions): Promise<readonly string[]> {
  const { url, schema = SCHEMA } = options;
  return await reachable(options, async () => {
    const sql = postgres(url, { max: 1, onnotice: () => {}, connection: { search_path: schema } });
    try {
      await sql`CREATE SCHEMA IF NOT EXISTS ${sql(schema)}`;
      const db = new Kysely<unknown>({ dialect: new PostgresJSDialect({ postgres: sql }) });
      const migrator = new Migrator({
        db,
        provider: { getMigrations: () => Promise.resolve(MIGRATIONS) },
        migrationTableSchema: schema,
      });
      const { error, results = [] } = await migrator.migrateToLatest();
      if (error) throw error;
      return results.map((one) => one.migrationName);
    } finally {
      await sql.end({ timeout: 5 });
    }
  });
}

/** Again and again while the database cannot be reached; everything else is said at once. */
async function reachable<T>({ clock = systemClock, log = silent }: PostgresOptions, run: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await run();
    } catch (thrown) {
      if (thrown instanceof ImError) throw thrown;
      const problem = thrown instanceof Error ? thrown.message || thrown.name : String(thrown);
      if (!isUnreachable(thrown)) {
        throw new ImError("CONFIG", `Cannot open database: ${problem}`, { cause: thrown });
      }
      if (attempt === 1) log.warn("database cannot be reached, trying again", { problem });
      await sleep(clock, RETRY_MS);
    }
  }
}

/** Not a server's refusal, or one that passes: starting, stopping, too many connections. */
function isUnreachable(thrown: unknown): boolean {
  return !(thrown instanceof postgres.PostgresError) || /^(57P0[123]|53300|08)/.test(thrown.code);
}

async function checkVersion(db: Database): Promise<void> {
  const [table] = await db.sql<{ name: string | null }[]>`SELECT to_regclass('kysely_migration')::text AS name`;
  const done = table?.name ? await db.sql<{ name: string }[]>`SELECT name FROM kysely_migration` : [];
  const names = Object.keys(MIGRATIONS);
  const unknown = done.find((row) => !names.includes(row.name));
  if (unknown) {
    throw new ImError("CONFIG", `Cannot open database: its schema is newer than this build (${unknown.name})`);
  }
  if (done.length < names.length) {
    throw new ImError("CONFIG", "Cannot open database: its schema is not up to date; run petrel migrate");
  }
}
