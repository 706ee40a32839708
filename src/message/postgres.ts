import { Kysely } from "kysely";
import { Migrator } from "kysely/migration";
import { PostgresJSDialect } from "kysely-postgres-js";
import postgres from "postgres";
import { type Clock, sleep, systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { type Logger, silent } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import { MonotonicNs } from "../base/monotonic_ns.ts";
import { Snowflake, snowflakeAt } from "../id/snowflake.ts";
import { Database } from "./postgres/database.ts";
import { MIGRATIONS } from "./postgres/migrations.ts";
import { PostgresStore } from "./postgres/store.ts";

export { PostgresStore } from "./postgres/store.ts";
import { neverRejectTypeQuestion } from "./postgres/type_question.ts";

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; `?schema=name` at its end is as `schema`. */
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
  readonly metrics?: Metrics | undefined;
  /** For tests: runs at named places of a transaction and may throw. */
  readonly fault?: ((place: "statement" | "commit") => void) | undefined;
  /** All connections are dropped when one is silent for so long while asked. Default 20 s. */
  readonly stallMs?: number | undefined;
}

const SCHEMA = "petrel";
const RETRY_MS = 1_000;

/**
 * Opens a store whose schema is up to date (`migratePostgres`). A database that cannot be reached is waited for.
 * @throws {ImError} CONFIG: not migrated, newer than this build, wrong password or database.
 */
export async function openPostgresStore(options: PostgresOptions): Promise<PostgresStore> {
  const { url, schema } = placeOf(options);
  const { node = 0, connections = 10, inboxGroup = 500, stallMs } = options;
  const { clock = systemClock, log = silent, fault = () => {}, metrics = new Metrics() } = options;
  const newId = () => transactionName(ids.next());
  const db = new Database({ url, schema, connections, clock, log, fault, newId, stallMs });
  let ids = new Snowflake(clock, node, snowflakeAt(clock.now()));
  const times = new MonotonicNs(clock);
  try {
    await reachable(options, async () => {
      await checkVersion(db);
      await checkServer(db, log, newId);
      const last = await readLast(db);
      if (last.id > snowflakeAt(clock.now())) ids = new Snowflake(clock, node, last.id);
      times.raise(last.time);
    });
    const help = "Batches that waited for another transaction's lock";
    const lockWaits = metrics.counter("petrel_store_lock_waits_total", help);
    const store = new PostgresStore({ db, clock, log, lockWaits, ids, times, inboxGroup, fault });
    metrics.gauge("petrel_store_writable", "1 while messages can be stored", () => store.health().writable ? 1 : 0);
    return store;
  } catch (thrown) {
    await db[Symbol.asyncDispose]();
    throw thrown;
  }
}

/** The millisecond of a snowflake and 22 random bits: two processes never share one, not even by a wrong node number. */
function transactionName(id: bigint): bigint {
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
  return (id >> 22n << 22n) | BigInt(random >>> 10);
}

export interface MigrateOptions extends PostgresOptions {
  /** The database was put back to an older state while nobody was there to see: every log gets a new epoch. */
  readonly restored?: boolean | undefined;
}

/**
 * Makes the schema, or brings it up to date; gives the names of the steps it took. Waits for a database that cannot be
 * reached. Several processes may do it at once. @throws {ImError} CONFIG
 */
export async function migratePostgres(options: MigrateOptions): Promise<readonly string[]> {
  const { url, schema } = placeOf(options);
  const { clock = systemClock, restored = false } = options;
  return await reachable(options, async () => {
    const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 5, connection: { search_path: schema } });
    neverRejectTypeQuestion(sql`SELECT 1`);
    try {
      await makeSchema(sql, schema);
      const db = new Kysely<unknown>({ dialect: new PostgresJSDialect({ postgres: sql }) });
      const migrator = new Migrator({
        db,
        provider: { getMigrations: () => Promise.resolve(MIGRATIONS) },
        migrationTableSchema: schema,
      });
      const { error, results = [] } = await migrator.migrateToLatest();
      if (error) throw error;
      if (restored) await sql`UPDATE state SET epoch = ${String(snowflakeAt(clock.now()))}`;
      return results.map((one) => one.migrationName);
    } finally {
      await sql.end({ timeout: 5 });
    }
  });
}

/** IF NOT EXISTS alone is not enough: two that do it at once meet in the catalogue. */
async function makeSchema(sql: postgres.Sql, schema: string): Promise<void> {
  const [found] = await sql`SELECT 1 FROM pg_namespace WHERE nspname = ${schema}`;
  if (found) return; // whoever may not make schemas may use one that is there
  await sql`CREATE SCHEMA IF NOT EXISTS ${sql(schema)}`.catch((thrown: unknown) => {
    if (!(thrown instanceof postgres.PostgresError) || !["23505", "42P06"].includes(thrown.code)) throw thrown;
  });
}

/** @throws {ImError} CONFIG */
function placeOf({ url, schema }: PostgresOptions): { readonly url: string; readonly schema: string } {
  const [, before = url, name, after = ""] = /^(.*[?&])schema=([^&]*)&?(.*)$/.exec(url) ?? [];
  const asked = schema ?? name ?? SCHEMA;
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(asked)) {
    throw new ImError("CONFIG", `Cannot open database: schema ${JSON.stringify(asked)} is no name in a-z, 0-9 and _`);
  }
  return { url: (before + after).replace(/[?&]$/, ""), schema: asked };
}

/** Again and again while the database cannot be reached; everything else is said at once. */
async function reachable<T>({ clock = systemClock, log = silent }: PostgresOptions, run: () => Promise<T>): Promise<T> {
  for (let attempt = 1;; attempt++) {
    try {
      return await run();
    } catch (thrown) {
      if (thrown instanceof ImError && thrown.code !== "SYSTEM") throw thrown;
      const cause = thrown instanceof ImError ? thrown.cause : thrown;
      const problem = cause instanceof Error ? cause.message || cause.name : String(cause);
      if (!isUnreachable(cause)) {
        throw new ImError("CONFIG", `Cannot open database: ${problem}`, { cause });
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
  const done = await db.read(async (sql) => {
    const [table] = await sql<{ name: string | null }[]>`SELECT to_regclass('kysely_migration')::text AS name`;
    return table?.name ? await sql<{ name: string }[]>`SELECT name FROM kysely_migration` : [];
  });
  const names = Object.keys(MIGRATIONS);
  const unknown = done.find((row) => !names.includes(row.name));
  if (unknown) {
    throw new ImError("CONFIG", `Cannot open database: its schema is newer than this build (${unknown.name})`);
  }
  if (done.length < names.length) {
    throw new ImError("CONFIG", "Cannot open database: its schema is not up to date; run petrel migrate");
  }
}

/**
 * Another cluster than last time, or a new timeline of it (a standby that took over, a backup played up to a moment), may
 * lack messages that were answered: its logs get another epoch. Says when Success will not mean synced.
 */
async function checkServer(db: Database, log: Logger, newId: () => bigint): Promise<void> {
  const [settings] = await db.read((sql) =>
    sql<[{ sync: string; fsync: string }]>`SELECT current_setting('synchronous_commit') AS sync,
      current_setting('fsync') AS fsync`
  );
  if (settings.sync === "off" || settings.fsync === "off") {
    log.warn("database does not sync what it commits: a crash may lose messages that were answered", {
      synchronousCommit: settings.sync,
      fsync: settings.fsync,
    });
  }
  const cluster = await clusterOf(db);
  if (cluster === undefined) return;
  const other = await db.read((sql) =>
    sql<{ was: string }[]>`UPDATE state SET cluster = ${cluster},
        epoch = CASE WHEN state.cluster = '' THEN state.epoch ELSE ${String(newId())}::int8 END
      FROM (SELECT cluster AS was FROM state) AS old WHERE state.cluster <> ${cluster} RETURNING was`
  );
  const [{ was } = { was: "" }] = other;
  if (was !== "") log.warn("database is another than last time: every log has a new epoch", { was, now: cluster });
}

/** undefined: the server does not say. */
async function clusterOf(db: Database): Promise<string | undefined> {
  try {
    const [row] = await db.read((sql) =>
      sql<[{ cluster: string }]>`SELECT s.system_identifier || '/' || c.timeline_id AS cluster
        FROM pg_control_system() AS s, pg_control_checkpoint() AS c`
    );
    return row.cluster;
  } catch (thrown) {
    if (thrown instanceof ImError && thrown.cause instanceof postgres.PostgresError) return undefined;
    throw thrown;
  }
}

/** What the last message has: new ids and times are above. */
async function readLast(db: Database): Promise<{ readonly id: bigint; readonly time: bigint }> {
  const [row] = await db.read((sql) =>
    sql<[{ id: bigint; time: bigint }]>`SELECT
      greatest((SELECT max(id) FROM messages), (SELECT max(id) FROM removed), (SELECT max(id) FROM batches), 0) AS id,
      coalesce((SELECT send_time FROM messages ORDER BY id DESC LIMIT 1), 0) AS time`
  );
  return row;
}
