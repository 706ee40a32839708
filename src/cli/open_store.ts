import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { Metrics } from "../base/metrics.ts";
import type { ImStore, StoreHealth } from "../message/message_store.ts";
import { migratePostgres, openPostgresStore } from "../message/postgres.ts";
import { openSqliteStore } from "../message/sqlite.ts";

export interface StoreConfig {
  /** `postgres://…`; undefined: SQLite in the data folder. */
  readonly database: string | undefined;
  readonly data: string;
  readonly sync: "full" | "normal";
  readonly node: number;
  /** A group with more members is large. */
  readonly inboxGroup: number;
  /** Faults of SQLite (message/sqlite/faults.ts); undefined: none can be injected. */
  readonly faults: string | undefined;
}

/** A store, and what a process has to know of it. */
export interface OpenedStore extends AsyncDisposable {
  readonly store: ImStore;
  health(): StoreHealth;
  /** Resolves when the process must end; of a PostgreSQL store never. */
  readonly failed: Promise<Error>;
  /** For tests, SQLite only. */
  inject(faults: string): Promise<void>;
}

/**
 * Opens the message store that the settings name; a PostgreSQL schema is brought up to date first.
 * @throws {ImError} CONFIG
 */
export async function openStore(
  config: StoreConfig,
  deps: { readonly clock: Clock; readonly log: Logger; readonly metrics: Metrics },
): Promise<OpenedStore> {
  const { clock, log, metrics } = deps;
  const { database: url, node, inboxGroup } = config;
  if (url === undefined) {
    const { data: directory, sync, faults } = config;
    const store = await openSqliteStore({ directory, sync, clock, node, inboxGroup, metrics, logger: log, faults });
    return {
      store,
      health: () => store.health(),
      failed: store.failed,
      inject: (text) => store.inject(text),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  }
  for (const step of await migratePostgres({ url, clock, log })) log.info("database migrated", { step });
  const store = await openPostgresStore({ url, node, inboxGroup, clock, log });
  return {
    store,
    health: () => store.health(),
    failed: new Promise(() => {}),
    inject: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
