// A little over 300 lines: an ImStore has many methods, each of them a few lines that pass on.
import { Backoff } from "../../base/backoff.ts";
import { type Clock, sleep, type Timer } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Counter } from "../../base/metrics.ts";
import { MonotonicNs } from "../../base/monotonic_ns.ts";
import type { Snowflake } from "../../id/snowflake.ts";
import type { ConversationPage, HistoryPage, HistoryRange, Peer } from "../conversation_store.ts";
import type { ChangeMembers, CreateGroup, Group, MadeRows, MemberPage, MembersChanged, Room } from "../group_store.ts";
import type {
  AppendRequest,
  AppendResult,
  Head,
  ImStore,
  InboxEntry,
  InboxMessage,
  InboxPage,
  InboxRange,
  StoredContent,
  StoreHealth,
} from "../message_store.ts";
import { Acks } from "./acks.ts";
import { appendBatch } from "./append.ts";
import { readConversations, readHistory, readRoom, readRoomHeads, setRead } from "./conversations.ts";
import { Database, type Sql, type Tx } from "./database.ts";
import { changeMembers } from "./change_members.ts";
import { createGroup, isMember, readGroups, readMembers, readRooms } from "./groups.ts";
import { makeRows } from "./inbox_rows.ts";
import { readAcked, readContents, readEntries, readHeads, readMessages, readPosition } from "./reads.ts";
import { removeSlice } from "./retention.ts";
import { dbNow, SWEEP_ROWS, sweeps } from "./sweeps.ts";

export interface PostgresStoreDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Logger;
  /** Counts batches that waited for another store's transaction. */
  readonly lockWaits: Counter;
  readonly ids: Snowflake;
  readonly times: MonotonicNs;
  readonly inboxGroup: number;
  readonly fault: (place: "statement") => void;
}

/** Most messages of one transaction. */
const BATCH = 256;
/** Most messages that are removed in one. */
const SLICE = 1_000;
/** How often what nobody asks for any more is removed. */
const SWEEP_MS = 30_000;
/** How often a database that failed is tried again when nobody asks. */
const PROBE_MS = 2_000;
/** How long closing waits for answers of a database that gives none. */
const CLOSE_MS = 5_000;
/** How often a request that may be stored already is looked up while the database fails. */
const LOOK = { baseMs: 50, maxMs: 2_000 };

/**
 * A message store in PostgreSQL. Writes of one store are transactions one after the other, so they happen in the order of
 * the calls; several stores (royals) on one database meet in row locks. Reads use the other connections.
 */
export class PostgresStore implements ImStore {
  readonly #deps: PostgresStoreDeps;
  readonly #acks: Acks;
  readonly #sweeper: Timer;
  /** The last write that was asked for. */
  #last: Promise<unknown> = Promise.resolve();
  readonly #prober: Timer;
  #closing = false;
  #probing = false;
  #sweeping = false;
  /** Resolves when a stop begins: what is unknown then is not looked up any more. */
  readonly #stop = Promise.withResolvers<"stopped">();

  /** `openPostgresStore` makes it. */
  constructor(deps: PostgresStoreDeps) {
    this.#deps = deps;
    this.#acks = new Acks((acks) => this.#write((tx) => acks(tx)));
    this.#sweeper = deps.clock.every(SWEEP_MS, () => void this.#sweep());
    this.#prober = deps.clock.every(PROBE_MS, () => this.#probe());
  }

  async append(batch: readonly AppendRequest[]): Promise<AppendResult[]> {
    const results: AppendResult[] = [];
    await this.#inTurn(async () => {
      while (results.length < batch.length) {
        const some = batch.slice(results.length, results.length + BATCH);
        results.push(...await this.#append(some));
      }
    });
    return results;
  }

  ack(app: string, account: string, device: string, pos: number): Promise<number> {
    if (this.#closing) return Promise.reject(closed());
    return this.#acks.add({ app, account, device, pos });
  }

  entries(app: string, account: string, range: InboxRange): Promise<InboxPage<InboxEntry>> {
    return this.#read((sql) => readEntries(sql, app, account, range));
  }

  messages(app: string, account: string, range: InboxRange): Promise<InboxPage<InboxMessage>> {
    return this.#read((sql) => readMessages(sql, app, account, range));
  }

  contents(app: string, account: string | undefined, ids: readonly bigint[]): Promise<(StoredContent | undefined)[]> {
    return this.#read((sql) => readContents(sql, app, account, ids));
  }

  position(app: string, account: string, messageId: bigint): Promise<number | undefined> {
    return this.#read((sql) => readPosition(sql, app, account, messageId));
  }

  heads(app: string, accounts: readonly string[]): Promise<Head[]> {
    return this.#read((sql) => readHeads(sql, app, accounts));
  }

  acked(app: string, account: string, device: string): Promise<number> {
    return this.#read((sql) => readAcked(sql, app, account, device));
  }

  createGroup(request: CreateGroup): Promise<{ id: string; members: readonly string[] }> {
    return this.#once(request, (tx, one) => createGroup(tx, one, this.#deps));
  }

  join(request: ChangeMembers): Promise<MembersChanged> {
    return this.#once(request, (tx, one) => changeMembers(tx, "join", one, this.#deps));
  }

  quit(request: ChangeMembers): Promise<MembersChanged> {
    return this.#once(request, (tx, one) => changeMembers(tx, "quit", one, this.#deps));
  }

  group(app: string, id: string): Promise<Group | undefined> {
    return this.#read(async (sql) => (await readGroups(sql, app, [id])).get(id));
  }

  isMember(app: string, id: string, account: string): Promise<boolean> {
    return this.#read((sql) => isMember(sql, app, id, account));
  }

  members(app: string, id: string, from: string | undefined, limit: number): Promise<MemberPage> {
    return this.#read((sql) => readMembers(sql, app, id, from, limit));
  }

  rooms(app: string, account: string): Promise<readonly Room[]> {
    return this.#read((sql) => readRooms(sql, app, account));
  }

  makeRows(app: string, accounts: readonly string[], since: bigint, most: number): Promise<readonly MadeRows[]> {
    return this.#write((tx) => makeRows(tx, app, accounts, since, most));
  }

  history(app: string, account: string, peer: Peer, range: HistoryRange): Promise<HistoryPage> {
    return this.#read((sql) => readHistory(sql, app, account, peer, range));
  }

  roomMessages(app: string, group: string, after: number, limit: number): Promise<HistoryPage> {
    return this.#read((sql) => readRoom(sql, app, group, after, limit));
  }

  roomHeads(app: string, groups: readonly string[]): Promise<readonly number[]> {
    return this.#read((sql) => readRoomHeads(sql, app, groups));
  }

  conversations(app: string, account: string, from: string | undefined, limit: number): Promise<ConversationPage> {
    return this.#read((sql) => readConversations(sql, app, account, from, limit));
  }

  setRead(app: string, account: string, peer: Peer, seq: number): Promise<number> {
    return this.#read((sql) => setRead(sql, app, account, peer, seq));
  }

  /** Slice after slice, each its own transaction beside those of the writes: nobody waits for all of it. */
  async removeBefore(sendTime: bigint, most: number): Promise<number> {
    let removed = 0;
    while (removed < most) {
      if (this.#closing) throw closed();
      const slice = Math.min(SLICE, most - removed);
      const { db, clock } = this.#deps;
      const count = await db.transact((tx) => removeSlice(tx, sendTime, slice, clock.now()));
      removed += count;
      if (count < slice) break;
    }
    return removed;
  }

  health(): StoreHealth {
    const { problem } = this.#deps.db;
    return { writable: problem === undefined, problem: problem && `The database cannot be used: ${problem}` };
  }

  /** What was asked is answered; what is asked from now on is rejected with CLOSED. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing) return;
    this.#stop.resolve("stopped");
    const { clock, db } = this.#deps;
    let timer: Timer | undefined;
    const late = new Promise<void>((resolve) => timer = clock.after(CLOSE_MS, resolve));
    await Promise.race([this.#acks.idle(), late]);
    this.#closing = true;
    this.#sweeper.stop();
    this.#prober.stop();
    await Promise.race([this.#last, late]);
    timer?.stop();
    await db[Symbol.asyncDispose]();
  }

  async #append(batch: readonly AppendRequest[]): Promise<AppendResult[]> {
    const { db } = this.#deps;
    try {
      return await db.transact((tx) => appendBatch(tx, batch, this.#deps));
    } catch (thrown) {
      return await this.#afterFailure(batch, db.failure(thrown));
    }
  }

  /**
   * Nothing of the batch was stored. What an earlier one stored is still answered: it is stored. A request that may be
   * stored already is looked up until it is known, however long the database is gone.
   */
  async #afterFailure(batch: readonly AppendRequest[], error: ImError): Promise<AppendResult[]> {
    const late = batch.map((one) => ({ ...one, startBy: -Infinity }));
    const known = await this.#look((tx) => appendBatch(tx, late, this.#deps), batch.some((one) => one.again));
    return batch.map((_, i) => {
      const one = known?.[i] ?? error;
      return one instanceof ImError && one.code === "BUSY" ? error : one;
    });
  }

  /** A change of groups that may come again. An error that `run` gives is committed before it is told. */
  async #once<Request extends CreateGroup | ChangeMembers, T>(
    request: Request,
    run: (tx: Tx, request: Request) => Promise<T | ImError>,
  ): Promise<T> {
    const { db } = this.#deps;
    const made = await this.#inTurn(async () => {
      try {
        return await db.transact((tx) => run(tx, request));
      } catch (thrown) {
        const error = db.failure(thrown), late = { ...request, startBy: -Infinity };
        if (!request.key) return error;
        const known = await this.#look((tx) => run(tx, late), request.again === true) ?? error;
        return known instanceof ImError && known.code === "BUSY" ? error : known;
      }
    });
    if (made instanceof ImError) throw made;
    return made;
  }

  /** What became of it; undefined: the database does not tell, and it was never asked before, so nothing is stored. */
  async #look<T>(run: (tx: Tx) => Promise<T>, again: boolean): Promise<T | undefined> {
    const backoff = new Backoff(Math.random, LOOK);
    for (;;) {
      try {
        return await this.#deps.db.transact(run);
      } catch {
        if (!again) return undefined;
      }
      const waited = await Promise.race([sleep(this.#deps.clock, backoff.next()), this.#stop.promise]);
      if (waited === "stopped") throw closed();
    }
  }

  #write<T>(run: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#deps.db.transact(run));
  }

  /** Writes happen in the order they were asked for. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#closing) return Promise.reject(closed());
    const mine = this.#last.then(run);
    this.#last = mine.catch(() => {}); // whoever asked is told
    return mine;
  }

  async #read<T>(run: (sql: Sql) => Promise<T>): Promise<T> {
    if (this.#closing) throw closed();
    return await this.#deps.db.read(run);
  }

  /** Whoever waits for a store that can be written to sends it nothing: it finds out by itself. */
  #probe(): void {
    if (this.#probing || this.health().writable) return;
    this.#probing = true;
    const done = () => void (this.#probing = false);
    this.#write(() => Promise.resolve()).then(done, done);
  }

  async #sweep(): Promise<void> {
    const { db, log } = this.#deps;
    if (this.#sweeping) return;
    this.#sweeping = true;
    try {
      for (const some of sweeps(await db.read(dbNow))) {
        while (!this.#closing && (await db.read(some)).count === SWEEP_ROWS) { /* more of the same */ }
      }
    } catch (thrown) {
      if (!this.#closing) log.debug("sweeping failed", { error: ImError.from(thrown) }); // the next time will do
    } finally {
      this.#sweeping = false;
    }
  }
}

function closed(): ImError {
  return new ImError("CLOSED", "Cannot ask the store: it is closed");
}
