import { hmacSha256 } from "#runtime";
import type { Clock, Timer } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { Metrics } from "../base/metrics.ts";
import type { ImStore, StoreHealth } from "../message/message_store.ts";
import { migratePostgres, openPostgresStore } from "../message/postgres.ts";
import { RetentionJob } from "../message/retention_job.ts";
import { RoomChanges, type RoomChangesPage } from "../message/room_changes.ts";
import { RoyalStore } from "../message/royal.ts";
import { openSqliteStore } from "../message/sqlite.ts";
import { type SignedRequest, signRequest } from "../message/store_signature.ts";

export interface StoreConfig {
  /** `http://…` of a `petrel royal` that keeps the messages; undefined: this process does. */
  readonly royalUrl?: string | undefined;
  /** Signs requests to it. */
  readonly clusterSecret?: string | undefined;
  /** `postgres://…`; undefined: SQLite in the data folder. */
  readonly database: string | undefined;
  readonly data: string;
  readonly sync: "full" | "normal";
  readonly node: number;
  /** A group with more members is large. */
  readonly inboxGroup: number;
  /** Messages older than so many days are removed; 0: none. */
  readonly retentionDays: number;
  /** Faults of SQLite (message/sqlite/faults.ts); undefined: none can be injected. */
  readonly faults: string | undefined;
}

interface OpenDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** A store, and what a process has to know of it. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: ImStore;
  health(): StoreHealth;
  /** Resolves when the process must end; only SQLite cannot go on by itself. */
  readonly failed: Promise<Error>;
  /** Where changes of large groups that no chat server made are put, in a store of this process. */
  readonly changes: RoomChanges;
  /** Changes of large groups that no chat server made, since `after` (message/room_changes.ts). */
  roomChanges(after: string): Promise<RoomChangesPage>;
  /** A stop has begun: unknown outcomes are waited for no longer than about 4 s, then they are rejected with CLOSED. */
  hurry(): void;
  /** For tests, SQLite only. */
  inject(faults: string): Promise<void>;
}

/**
 * Opens the message store that the settings name; a PostgreSQL schema is brought up to date first.
 * @throws {ImError} CONFIG
 */
export async function openStore(config: StoreConfig, deps: OpenDeps): Promise<OpenedStore> {
  const { royalUrl, database } = config;
  if (royalUrl !== undefined) return openRoyal(royalUrl, config.clusterSecret, deps);
  await using stack = new AsyncDisposableStack();
  const opened = database === undefined ? await openSqlite(config, deps) : await openPostgres(database, config, deps);
  stack.use(opened.store);
  // SQLite plans 20,000 at once and paces itself; PostgreSQL removes each slice in one transaction.
  const slice = database === undefined ? 20_000 : 1_000;
  if (config.retentionDays > 0) stack.use(new RetentionJob(opened.store, config.retentionDays, { ...deps, slice }));
  const running = stack.move();
  const changes = new RoomChanges(crypto.randomUUID());
  let limit: Timer | undefined;
  running.defer(() => limit?.stop());
  return {
    ...opened,
    changes,
    roomChanges: (after) => Promise.resolve(changes.since(after)),
    hurry() {
      // SQLite knows the outcome, or ends the process.
      if (database === undefined) return;
      limit ??= deps.clock.after(HURRY_MS, () => void opened.store[Symbol.asyncDispose]());
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

const HURRY_MS = 4_000;

type OwnStore = Pick<OpenedStore, "health" | "failed" | "inject"> & { readonly store: ImStore };

async function openSqlite(config: StoreConfig, { clock, log, metrics }: OpenDeps): Promise<OwnStore> {
  const { data: directory, sync, node, inboxGroup, faults } = config;
  const store = await openSqliteStore({ directory, sync, clock, node, inboxGroup, metrics, logger: log, faults });
  return { store, health: () => store.health(), failed: store.failed, inject: (text) => store.inject(text) };
}

async function openPostgres(url: string, config: StoreConfig, { clock, log, metrics }: OpenDeps): Promise<OwnStore> {
  for (const step of await migratePostgres({ url, clock, log })) log.info("database migrated", { step });
  const { node, inboxGroup } = config;
  const store = await openPostgresStore({ url, node, inboxGroup, clock, log, metrics });
  return { store, health: () => store.health(), failed: new Promise(() => {}), inject: () => Promise.resolve() };
}

function openRoyal(url: string, secret: string | undefined, { clock, log, metrics }: OpenDeps): OpenedStore {
  const hmac = secret === undefined ? undefined : hmacSha256(secret);
  const sign = hmac && ((request: SignedRequest) => signRequest(hmac, clock.now(), request));
  const store = new RoyalStore({ url, sign, clock, log });
  metrics.gauge("petrel_store_writable", "1 while messages can be stored", () => store.health().writable ? 1 : 0);
  return {
    store,
    health: () => store.health(),
    failed: new Promise(() => {}),
    changes: new RoomChanges(""),
    roomChanges: (after) => store.roomChanges(after),
    hurry: () => store.hurry(),
    inject: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
