import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../base/logger.ts";
import type { Metrics } from "../../base/metrics.ts";
import type { Batcher } from "../../message/batcher.ts";
import type { ImStore } from "../../message/message_store.ts";
import type { SessionStore } from "../../session/store.ts";

/** What the command handlers stand on. */
export interface LogicDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly sessions: SessionStore;
  /** Reads, and changes of groups. */
  readonly messages: ImStore;
  /** Writes: what arrives while a commit runs forms the next batch. */
  readonly batcher: Batcher;
  /** A snowflake for each login. */
  readonly newGeneration: () => bigint;
  /** A fault point for tests: runs between the reply and the push of a stored talk. */
  readonly afterReply?: (() => Promise<void>) | undefined;
}
