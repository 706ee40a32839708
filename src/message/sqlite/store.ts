// Long because an ImStore has many methods: each of them is a few lines that pass on.
import { type Clock, sleep } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
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
import { JobQueue } from "./job_queue.ts";
import type { Lane } from "./lane.ts";
import { ASK, packRange, type WriterState } from "./messages.ts";
import {
  packHistoryRange,
  packMaybe,
  packPeek,
  packPlaces,
  type Peek,
  readContent,
  readConversations,
  readEntry,
  readGroup,
  readHead,
  readHistory,
  readMaybe,
  readMessage,
  readPage,
  readPlaces,
} from "./pages.ts";
import { Peeks } from "./peeks.ts";
import type { Removed } from "./retention.ts";
import { KIND, logOf } from "./schema.ts";
import { headFrom, type Place } from "./views.ts";
import { Packer, type Unpacker } from "./wire.ts";

const NO_ROWS: InboxRange = { after: 0, upTo: 0, limit: 0 };
const ALL_ROWS: InboxRange = { after: 0, limit: Number.MAX_SAFE_INTEGER };
/** Accounts of one change of members, and of a new group. */
const MOST_MEMBERS = 5_000;
/** Between two slices of a removal the writer is left to others this many times as long as the slice took. */
const PAUSE = 6;
/** And at most that: on a busy machine removal goes on, too. */
const PAUSE_MS = 15;

/** What the writer told of itself with its last answer, and what waits for it here. */
export interface StoreStats extends WriterState {
  readonly queuedMessages: number;
}

export interface SqliteStoreDeps {
  readonly clock: Clock;
  readonly writer: Lane;
  readonly reader: Lane;
  /** Resolves when a lane stopped. */
  readonly failed: Promise<Error>;
  /** Told when the health changes. */
  readonly changed: (health: StoreHealth) => void;
  /** Runs last in disposal. */
  readonly release: () => void;
}

/**
 * The calling thread's half of the SQLite store.
 *
 *     append, ack, changes ─────────────────► job queue ──► writer
 *     entries, messages, heads, history ────► what waits in the writer's memory ──► reader
 *     contents, position, acked, members ───► reader
 */
export class SqliteStore implements ImStore {
  /**
   * Resolves when it is unknown, and must not be said, what became of a batch, or a thread is gone: end the process,
   * the next start decides. What was in that batch is never answered.
   */
  readonly failed: Promise<Error>;
  readonly #deps: SqliteStoreDeps;
  readonly #jobs: JobQueue;
  readonly #peeks: Peeks;
  /** One removal at a time. */
  #removal: Promise<unknown> = Promise.resolve();
  #closing = false;

  /** `openSqliteStore` makes it. */
  constructor(deps: SqliteStoreDeps) {
    this.#deps = deps;
    this.failed = deps.failed;
    this.#jobs = new JobQueue(deps);
    this.#peeks = new Peeks(deps.writer, deps.clock);
  }

  append(batch: readonly AppendRequest[]): Promise<AppendResult[]> {
    return this.#jobs.append(batch);
  }

  ack(app: string, account: string, device: string, pos: number): Promise<number> {
    return this.#jobs.ack({ app, account, device, pos });
  }

  entries(app: string, account: string, range: InboxRange): Promise<InboxPage<InboxEntry>> {
    return this.#page(app, account, range, false, readEntry);
  }

  messages(app: string, account: string, range: InboxRange): Promise<InboxPage<InboxMessage>> {
    return this.#page(app, account, range, true, readMessage);
  }

  async contents(
    app: string,
    account: string | undefined,
    ids: readonly bigint[],
  ): Promise<(StoredContent | undefined)[]> {
    const request = ask(ASK.contents, app, account ?? ""); // no account has the empty name
    request.i32(ids.length);
    for (const id of ids) request.i64(id);
    const reply = await this.#read(request);
    return ids.map(() => readMaybe(reply, () => readContent(reply)));
  }

  async position(app: string, account: string, messageId: bigint): Promise<number | undefined> {
    const request = ask(ASK.position, app, account);
    request.i64(messageId);
    const reply = await this.#read(request);
    return readMaybe(reply, () => reply.num());
  }

  heads(app: string, accounts: readonly string[]): Promise<Head[]> {
    return this.#heads(app, KIND.account, accounts);
  }

  async acked(app: string, account: string, device: string): Promise<number> {
    return (await this.#read(ask(ASK.acked, app, account, device))).num();
  }

  async createGroup(request: CreateGroup): Promise<{ readonly id: string; readonly members: readonly string[] }> {
    const { startBy, ...group } = request;
    checkCount(request.members);
    const created = await this.#jobs.op({ do: "create", ...group, late: false }, startBy);
    return created as { id: string; members: string[] }; // packed by writer.ts of this build
  }

  join(request: ChangeMembers): Promise<MembersChanged> {
    return this.#change("join", request);
  }

  quit(request: ChangeMembers): Promise<MembersChanged> {
    return this.#change("quit", request);
  }

  async group(app: string, id: string): Promise<Group | undefined> {
    const request = ask(ASK.group, app);
    packPeek(request, await this.#peeks.peek(app, KIND.group, id, NO_ROWS));
    request.text(id);
    const reply = await this.#read(request);
    return readMaybe(reply, () => readGroup(reply));
  }

  async isMember(app: string, id: string, account: string): Promise<boolean> {
    return (await this.#read(ask(ASK.member, app, id, account))).u8() === 1;
  }

  async members(app: string, id: string, from: string | undefined, limit: number): Promise<MemberPage> {
    const request = ask(ASK.members, app, id);
    packMaybe(request, from, (text) => request.text(text));
    request.num(limit);
    const page = JSON.parse((await this.#read(request)).text()) as MemberPage; // packed by reader_role.ts
    return { members: page.members, next: page.next };
  }

  async rooms(app: string, account: string): Promise<readonly Room[]> {
    const reply = await this.#read(ask(ASK.rooms, app, account));
    const rooms = JSON.parse(reply.text()) as Omit<Room, "head">[]; // packed by reader_role.ts
    if (rooms.length === 0) return [];
    const heads = await this.roomHeads(app, rooms.map((room) => room.group));
    return rooms.map((room, i) => ({ ...room, head: heads[i] ?? 0 }));
  }

  async makeRows(app: string, accounts: readonly string[], since: bigint, most: number): Promise<readonly MadeRows[]> {
    const op = { do: "make rows", app, accounts, since: String(since), most, late: false } as const;
    return await this.#jobs.op(op) as MadeRows[]; // packed by writer.ts
  }

  async history(app: string, account: string, peer: Peer, range: HistoryRange): Promise<HistoryPage> {
    const peek = await this.#peeks.peek(app, ...logOf(account, peer), ALL_ROWS);
    const request = ask(ASK.history, app, account, JSON.stringify(peer));
    packHistoryRange(request, range);
    packPeek(request, peek);
    return readHistory(await this.#read(request));
  }

  async roomMessages(app: string, group: string, after: number, limit: number): Promise<HistoryPage> {
    const peek = await this.#peeks.peek(app, KIND.group, group, { after, limit });
    const request = ask(ASK.roomMessages, app, group);
    packHistoryRange(request, { after, limit });
    packPeek(request, peek);
    return readHistory(await this.#read(request));
  }

  async roomHeads(app: string, groups: readonly string[]): Promise<readonly number[]> {
    return (await this.#heads(app, KIND.group, groups)).map((head) => head.pos);
  }

  async conversations(
    app: string,
    account: string,
    from: string | undefined,
    limit: number,
  ): Promise<ConversationPage> {
    const own = await this.#peeks.peek(app, KIND.account, account, ALL_ROWS);
    const request = ask(ASK.conversations, app, account);
    packMaybe(request, from, (text) => request.text(text));
    request.num(limit);
    packPeek(request, own);
    request.part(await this.#lasts(app, account, await this.#places(app, account, own)));
    return readConversations(await this.#read(request));
  }

  async setRead(app: string, account: string, peer: Peer, seq: number): Promise<number> {
    return await this.#jobs.op({ do: "read", app, account, peer, seq, late: false }) as number; // packed by writer.ts
  }

  removeBefore(sendTime: bigint, most: number): Promise<number> {
    const removal = this.#removal.then(() => this.#remove(sendTime, most));
    this.#removal = removal.catch(() => {}); // its caller is told; the next one begins anew
    return removal;
  }

  /** For tests: orders failures (faults.ts). Rejects with CONFIG unless the store was opened with `faults`. */
  async inject(faults: string): Promise<void> {
    await this.#deps.writer.call(ask(ASK.inject, faults));
  }

  health(): StoreHealth {
    return this.#jobs.health();
  }

  stats(): StoreStats {
    return { ...this.#jobs.state, queuedMessages: this.#jobs.queued };
  }

  /** What was asked is answered; what is asked from now on is rejected with CLOSED. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#peeks.close();
    await Promise.race([this.#jobs.close(), this.failed]);
    await this.#deps.reader.close();
    await this.#deps.writer.close(); // last: its connection tidies the WAL
    this.#deps.release();
  }

  async #remove(sendTime: bigint, most: number): Promise<number> {
    const before = String(sendTime), { clock } = this.#deps;
    for (let count = 0;;) {
      const started = clock.mono();
      const op = { do: "remove", before, most: most - count, late: false } as const;
      const removed = await this.#jobs.op(op) as Removed; // packed by writer.ts
      count += removed.count;
      if (!removed.more || count >= most) return count;
      const tookMs = clock.mono() - started;
      if (tookMs > 0) await sleep(clock, Math.min(tookMs * PAUSE, PAUSE_MS));
    }
  }

  #read(request: Packer): Promise<Unpacker> {
    return this.#deps.reader.call(request);
  }

  async #change(what: "join" | "quit", { startBy, ...change }: ChangeMembers): Promise<MembersChanged> {
    checkCount(change.accounts);
    return await this.#jobs.op({ do: what, ...change, late: false }, startBy) as MembersChanged; // packed by writer.ts
  }

  async #heads(app: string, kind: number, names: readonly string[]): Promise<Head[]> {
    const peeks = await Promise.all(names.map((name) => this.#peeks.peek(app, kind, name, NO_ROWS)));
    const request = ask(ASK.heads, app);
    request.u8(kind);
    request.i32(peeks.filter((peek) => !peek).length);
    for (const [i, peek] of peeks.entries()) if (!peek) request.text(names[i]!);
    const read = peeks.every((peek) => peek) ? undefined : await this.#read(request);
    return peeks.map((peek) => peek ? headFrom(peek.pos, peek.trimmed, String(peek.epoch)) : readHead(read!));
  }

  async #page<Row>(
    app: string,
    account: string,
    range: InboxRange,
    withMessages: boolean,
    readRow: (from: Unpacker) => Row,
  ): Promise<InboxPage<Row>> {
    const peek = await this.#peeks.peek(app, KIND.account, account, range);
    const request = ask(ASK.page, app, account);
    request.u8(withMessages ? 1 : 0);
    packRange(request, range);
    packPeek(request, peek);
    return readPage(await this.#read(request), readRow);
  }

  async #places(app: string, account: string, own: Peek | undefined): Promise<Place[]> {
    const request = ask(ASK.places, app, account);
    packPeek(request, own);
    return readPlaces(await this.#read(request));
  }

  /** Ends of conversations in the writer's memory, as bytes for the reader. */
  async #lasts(app: string, account: string, places: readonly Place[]): Promise<Uint8Array> {
    const request = ask(ASK.lasts, app, account);
    packPlaces(request, places);
    return (await this.#deps.writer.call(request)).part();
  }
}

function ask(kind: number, ...texts: string[]): Packer {
  const request = new Packer();
  request.u8(kind);
  for (const text of texts) request.text(text);
  return request;
}

function checkCount(accounts: readonly string[]): void {
  if (accounts.length <= MOST_MEMBERS) return;
  throw new ImError(
    "INVALID_BODY",
    `Cannot change group: ${accounts.length} accounts, at most ${MOST_MEMBERS} at once`,
  );
}
