import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Clock, systemClock } from "../base/clock.ts";
import { ImError, reasonOf } from "../base/errors.ts";
import { type Logger, silent } from "../base/logger.ts";
import type { Metrics } from "../base/metrics.ts";
import { openLane } from "./sqlite/lane.ts";
import { lockFolder } from "./sqlite/lock.ts";
import type { Settings } from "./sqlite/roles.ts";
import { SqliteStore, type StoreStats } from "./sqlite/store.ts";

export interface SqliteOptions {
  /** Folder of the database `messages.db`; made when it does not exist. One process at a time. */
  readonly directory: string;
  /** "full" (default): an answer means synced. "normal": committed, and after a power cut the last ones may be gone. */
  readonly sync?: "full" | "normal" | undefined;
  /** Default true: writer and reader in Workers, so that nothing else waits for a disk. false: in this thread. */
  readonly threads?: boolean | undefined;
  /** For deadlines and, without threads, for ids and send times; Workers have the system's own. */
  readonly clock?: Clock | undefined;
  /** Node number of the message ids, 0 to 1023. Default 0. */
  readonly node?: number | undefined;
  /**
   * Index rows that wait in the writer's memory before some are written, default 8,000; up to four times as many while
   * many accounts write (32,000 rows are about 10 MB). More rows: less to write per message, a longer start.
   */
  readonly tailRows?: number | undefined;
  /** Inboxes and conversations whose heads are kept in memory, default 100,000 (about 30 MB). */
  readonly cachedLogs?: number | undefined;
  /** A group with more members is large: its messages have no inbox rows. Default 500. */
  readonly inboxGroup?: number | undefined;
  readonly metrics?: Metrics | undefined;
  readonly logger?: Logger | undefined;
  /** For tests, see sqlite/faults.ts. undefined: none can be ordered later either. */
  readonly faults?: string | undefined;
}

export { SqliteStore, type StoreStats };

/**
 * Opens the message store of a folder, migrating an older one.
 * @throws {ImError} CONFIG: in use by another process, not writable, full, damaged, or newer than this build.
 */
export async function openSqliteStore(options: SqliteOptions): Promise<SqliteStore> {
  const { directory, clock = systemClock, threads = true, logger = silent, metrics } = options;
  await using undo = new AsyncDisposableStack();
  makeFolder(directory);
  const lock = undo.use(lockFolder(directory));
  const { promise: failed, resolve: stopped } = Promise.withResolvers<Error>();
  const open = async (settings: Settings) => {
    const lane = await openLane(settings, { threads, clock, stopped });
    undo.defer(() => lane.close());
    return lane;
  };
  const path = join(directory, "messages.db");
  const { sync = "full", node = 0, tailRows = 8_000, cachedLogs = 100_000, inboxGroup = 500, faults } = options;
  const writer = await open({ role: "writer", path, sync, node, tailRows, cachedLogs, inboxGroup, faults });
  const reader = await open({ role: "reader", path });
  undo.move();
  const store = new SqliteStore({
    clock,
    writer,
    reader,
    failed,
    release: () => lock[Symbol.dispose](),
    changed: ({ problem }) =>
      problem === undefined ? logger.info("store writes again") : logger.error("store cannot write", { problem }),
  });
  if (metrics) show(store, metrics);
  logger.info("store opened", { directory, sync, threads });
  return store;
}

function makeFolder(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 }); // messages are for their owner
  } catch (cause) {
    const text = reasonOf(cause);
    throw new ImError("CONFIG", `Cannot make data folder ${directory}: ${text}`, { cause });
  }
}

function show(store: SqliteStore, metrics: Metrics): void {
  const gauge = (name: string, help: string, read: () => number) => metrics.gauge(`petrel_store_${name}`, help, read);
  gauge("waiting_rows", "Index rows in memory that are not written yet", () => store.stats().waitingRows);
  gauge("cached_logs", "Inboxes and conversations whose head is in memory", () => store.stats().cachedLogs);
  gauge("remembered_keys", "Requests that would be recognised if they came again", () => store.stats().rememberedKeys);
  gauge("failed_commits", "Transactions that were refused since the start", () => store.stats().failedCommits);
  gauge("writable", "1 while messages can be stored", () => store.health().writable ? 1 : 0);
}
