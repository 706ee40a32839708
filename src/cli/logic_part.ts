import { type NodeNumber, Snowflake, snowflakeAt } from "../id/snowflake.ts";
import { Batcher } from "../message/batcher.ts";
import { LogicServer } from "../services/logic/logic.ts";
import { RoomWatch } from "../services/logic/room/watch.ts";
import type { SessionStore } from "../session/store.ts";
import type { OpenedStore } from "./open_store.ts";
import type { ServerProcess } from "./server_process.ts";

/** What a logic server stands on; these outlive it. */
export interface LogicPartDeps {
  readonly opened: OpenedStore;
  readonly sessions: SessionStore;
  /** Of the ids of logins. */
  readonly node: number | NodeNumber;
  readonly afterReply?: (() => Promise<void>) | undefined;
}

/**
 * A logic server over its stores, but not its links. Disposing answers what was taken; its clients, or links, must be
 * gone by then.
 */
export class LogicPart implements AsyncDisposable {
  readonly logic: LogicServer;
  readonly #opened: OpenedStore;
  readonly #batcher: Batcher;
  readonly #rooms: RoomWatch;

  constructor({ opened, sessions, node, afterReply }: LogicPartDeps, { clock, log, metrics }: ServerProcess) {
    const generations = new Snowflake(clock, node, snowflakeAt(clock.now()));
    const batcher = new Batcher(opened.store, { clock, metrics });
    const newGeneration = (): bigint => generations.next();
    const stores = { sessions, messages: opened.store, batcher };
    const logic = new LogicServer({ clock, log, metrics, ...stores, newGeneration, afterReply });
    this.#rooms = new RoomWatch({
      clock,
      log,
      since: (after) => opened.roomChanges(after),
      changed: (change) => logic.roomChanged(change),
    });
    this.logic = logic;
    this.#batcher = batcher;
    this.#opened = opened;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#rooms[Symbol.dispose]();
    this.#opened.hurry();
    await this.logic.drained();
    this.logic[Symbol.dispose]();
    await this.#batcher[Symbol.asyncDispose]();
  }
}
