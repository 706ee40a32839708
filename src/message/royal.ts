// A little over 300 lines: an ImStore has many methods, each of them a few lines that pass on.
import { type Clock, systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { silent } from "../base/logger.ts";
import type * as rpc from "../protocol/gen/rpc_messages.ts";
import type { Conversation, ConversationPage, HistoryPage, HistoryRange, Peer } from "./conversation_store.ts";
import type { ChangeMembers, CreateGroup, Group, MadeRows, MemberPage, MembersChanged, Room } from "./group_store.ts";
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
} from "./message_store.ts";
import { CALL } from "./store_calls.ts";
import type { RoomChangesPage } from "./room_changes.ts";
import { Asker, type AskerOptions, type Attempt, type Call } from "./royal/asker.ts";
import { Acks } from "./royal/acks.ts";
import { KeyGiver } from "./royal/key_giver.ts";
import {
  appendToWire,
  contentOfWire,
  conversationOfWire,
  entryOfWire,
  groupOfWire,
  headOfWire,
  historyOfWire,
  historyRangeToWire,
  keyToWire,
  messageOfWire,
  pageOfWire,
  peerToWire,
  rangeToWire,
  resultOfWire,
  uint32,
  waitOf,
} from "./store_wire.ts";

/** `clock`, `log`, `random` and `fetch` have defaults. */
export type RoyalOptions = Pick<AskerOptions, "url" | "sign"> & Partial<Omit<AskerOptions, "url" | "sign">>;

/** How often royal is asked how it is, and how long it may take to say so. */
const PROBE_EVERY_MS = 1_000;
const PROBE_MS = 2_000;
/** Messages of one request: the longest fit it. */
const MOST_SENT = 500;
/** On the wire: as long as it takes. */
const NO_LIMIT_MS = 0xffff_ffff;

/**
 * A message store behind royal's HTTP API. Appends of one client travel one request at a time, in the order of their
 * calls, so no channel has two in flight. A request whose outcome is unknown is asked again, with the same keys, until
 * there is an answer: nothing is stored twice, and no refusal is given for what may be stored.
 */
export class RoyalStore implements ImStore {
  readonly #clock: Clock;
  readonly #asker: Asker;
  readonly #acks: Acks;
  readonly #keys = new KeyGiver();
  readonly #probe: { stop(): void };
  #last: Promise<unknown> = Promise.resolve();
  #closing = false;
  #looking = false;
  /** What royal itself says. */
  #problem: string | undefined = "The store was not asked yet";

  /** @throws {ImError} CONFIG: the URL is none. */
  constructor(options: RoyalOptions) {
    const { clock = systemClock, log = silent, random = Math.random } = options;
    this.#clock = clock;
    this.#asker = new Asker({ ...options, clock, log, random, fetch: options.fetch ?? fetch });
    this.#acks = new Acks(this.#asker);
    this.#probe = clock.every(PROBE_EVERY_MS, () => void this.#look());
    void this.#look();
  }

  async append(batch: readonly AppendRequest[]): Promise<AppendResult[]> {
    const slices: Promise<AppendResult[]>[] = [];
    for (let at = 0; at < batch.length; at += MOST_SENT) slices.push(this.#append(batch.slice(at, at + MOST_SENT)));
    return (await Promise.all(slices)).flat();
  }

  async entries(app: string, account: string, range: InboxRange): Promise<InboxPage<InboxEntry>> {
    return pageOfWire(await this.#asker.read(CALL.page, { app, account, ...rangeToWire(range) }), entryOfWire);
  }

  async messages(app: string, account: string, range: InboxRange): Promise<InboxPage<InboxMessage>> {
    return pageOfWire(
      await this.#asker.read(CALL.page, { app, account, ...rangeToWire(range), whole: true }),
      messageOfWire,
    );
  }

  async contents(
    app: string,
    account: string | undefined,
    ids: readonly bigint[],
  ): Promise<(StoredContent | undefined)[]> {
    const request = { app, account: account ?? "", messageIds: [...ids] };
    return (await this.#asker.read(CALL.contents, request)).contents.map(contentOfWire);
  }

  async position(app: string, account: string, messageId: bigint): Promise<number | undefined> {
    const { pos } = await this.#asker.read(CALL.position, { app, account, messageIds: [messageId] });
    return pos === 0 ? undefined : pos;
  }

  async heads(app: string, accounts: readonly string[]): Promise<Head[]> {
    return (await this.#asker.read(CALL.heads, { app, accounts: [...accounts] })).heads.map(headOfWire);
  }

  /** Acks of one tick, and those made while messages before them are stored, travel together. */
  ack(app: string, account: string, device: string, pos: number): Promise<number> {
    if (this.#closing) return Promise.reject(closed());
    return this.#acks.add({ app, account, device, pos: uint32(pos) }, this.#last);
  }

  async acked(app: string, account: string, device: string): Promise<number> {
    return (await this.#asker.read(CALL.acked, { app, account, device })).pos;
  }

  createGroup(request: CreateGroup): Promise<{ id: string; members: readonly string[] }> {
    const { app, owner, name, avatar, introduction, members } = request;
    const texts = { app, owner, name, avatar, introduction, members: [...members] };
    return this.#insist(CALL.createGroup, request, (keyed) => ({ ...texts, ...keyed }));
  }

  join(request: ChangeMembers): Promise<MembersChanged> {
    return this.#change(CALL.join, request);
  }

  quit(request: ChangeMembers): Promise<MembersChanged> {
    return this.#change(CALL.quit, request);
  }

  async group(app: string, id: string): Promise<Group | undefined> {
    return groupOfWire(await this.#asker.read(CALL.group, { app, group: id }));
  }

  async isMember(app: string, id: string, account: string): Promise<boolean> {
    return (await this.#asker.read(CALL.isMember, { app, group: id, account })).isMember;
  }

  async members(app: string, id: string, from: string | undefined, limit: number): Promise<MemberPage> {
    const page = await this.#asker.read(CALL.members, { app, group: id, from: fromOf(from), limit });
    const members = page.members.map(({ account, joinTime }) => ({ account, joinTime: Number(joinTime) }));
    return { members, next: page.next === "" ? undefined : page.next };
  }

  async rooms(app: string, account: string): Promise<readonly Room[]> {
    return (await this.#asker.read(CALL.rooms, { app, account })).rooms;
  }

  async makeRows(app: string, accounts: readonly string[], since: bigint, most: number): Promise<readonly MadeRows[]> {
    return (await this.#asker.read(CALL.makeRows, { app, accounts: [...accounts], since, most })).made;
  }

  async history(app: string, account: string, peer: Peer, range: HistoryRange): Promise<HistoryPage> {
    const request = { app, account, ...peerToWire(peer), ...historyRangeToWire(range) };
    return historyOfWire(await this.#asker.read(CALL.history, request));
  }

  async roomMessages(app: string, group: string, after: number, limit: number): Promise<HistoryPage> {
    return historyOfWire(await this.#asker.read(CALL.roomMessages, { app, dest: group, group: true, after, limit }));
  }

  async roomHeads(app: string, groups: readonly string[]): Promise<readonly number[]> {
    return (await this.#asker.read(CALL.roomHeads, { app, groups: [...groups] })).heads;
  }

  async conversations(
    app: string,
    account: string,
    from: string | undefined,
    limit: number,
  ): Promise<ConversationPage> {
    const page = await this.#asker.read(CALL.conversations, { app, account, from: fromOf(from), limit });
    const conversations: Conversation[] = page.conversations.map(conversationOfWire);
    return { conversations, next: page.next === "" ? undefined : page.next };
  }

  async setRead(app: string, account: string, peer: Peer, seq: number): Promise<number> {
    return (await this.#asker.read(CALL.setRead, { app, account, ...peerToWire(peer), seq: uint32(seq) })).seq;
  }

  async removeBefore(sendTime: bigint, most: number): Promise<number> {
    return (await this.#asker.read(CALL.trim, { sendTime, most })).removed;
  }

  /** Changes of large groups since `after` (room_changes.ts). */
  async roomChanges(after: string): Promise<RoomChangesPage> {
    const { next, missed, changes } = await this.#asker.read(CALL.roomChanges, { after });
    return { next, missed, list: changes };
  }

  /** As of a second ago: royal is there, lets us in, and can store. */
  health(): StoreHealth {
    const problem = this.#asker.problem ?? this.#problem;
    return { writable: problem === undefined, problem };
  }

  /** A stop has begun: what has no answer in 4 s is rejected with CLOSED. Call it when nobody can be told any more. */
  hurry(): void {
    this.#asker.hurry();
  }

  /** What was asked and can still be answered in 4 s is; what is asked from now on is rejected with CLOSED. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    this.#probe.stop();
    this.#asker.hurry();
    await this.#last;
    await this.#acks.sending;
    await this.#asker[Symbol.asyncDispose]();
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const { problem } = await this.#asker.probe(CALL.health, {}, PROBE_MS);
      this.#problem = problem === "" ? undefined : problem;
    } catch { // the asker keeps it
      this.#problem = undefined;
    }
    this.#looking = false;
  }

  #append(batch: readonly AppendRequest[]): Promise<AppendResult[]> {
    return this.#inTurn(async () => {
      const keyed = this.#keys.give(batch);
      const until = keyed.reduce((latest, one) => Math.max(latest, one.startBy), 0);
      const mayBeThere = keyed.some((one) => one.again);
      try {
        const make = ({ again }: Attempt) => ({ appends: keyed.map((one) => this.#appendToWire(one, again)) });
        const { results } = await this.#asker.insist(CALL.append, make, until, mayBeThere);
        return results.map(resultOfWire);
      } catch (thrown) {
        const error = ImError.from(thrown);
        if (error.code === "CLOSED") throw error;
        return batch.map(() => error);
      } finally {
        this.#keys.answered(keyed);
      }
    });
  }

  /** After an attempt that may have arrived it is stored now, or never again. */
  #wait({ again }: Attempt, startBy: number): number {
    if (again === "no") return waitOf(startBy, this.#clock.mono());
    return again === "look" ? 0 : NO_LIMIT_MS;
  }

  #appendToWire(one: AppendRequest, again: Attempt["again"]): rpc.Append {
    const startBy = again === "no" ? one.startBy : again === "look" ? -Infinity : Infinity;
    const asked = again === "no" ? one : { ...one, again: true };
    return appendToWire({ ...asked, startBy }, this.#clock.mono());
  }

  #change(call: Call<rpc.ChangeMembersReq, rpc.ChangeMembersResp>, request: ChangeMembers): Promise<MembersChanged> {
    const { app, group, accounts, by } = request;
    return this.#insist(call, request, (keyed) => ({ app, group, accounts: [...accounts], by: by ?? "", ...keyed }));
  }

  /** One change of groups, with a key: asked until there is an answer. */
  #insist<Req, Res>(call: Call<Req, Res>, request: Keyed, make: (keyed: KeyedOnWire) => Req): Promise<Res> {
    return this.#inTurn(async () => {
      const { startBy } = request;
      const [{ key }] = this.#keys.give([request]) as [Keyed];
      const attempt = (attempt: Attempt) => {
        const again = request.again === true || attempt.again !== "no";
        return make({ ...keyToWire(key), waitMs: this.#wait(attempt, startBy), again });
      };
      try {
        return await this.#asker.insist(call, attempt, startBy, request.again);
      } finally {
        this.#keys.answered([{ key }]);
      }
    });
  }

  /** Changes happen in the order they were asked for. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#closing) return Promise.reject(closed());
    const mine = this.#last.then(run);
    this.#last = mine.catch(() => {}); // whoever asked is told
    return mine;
  }
}

/** A change that is asked again under its key. */
type Keyed = Pick<CreateGroup, "key" | "startBy" | "again">;
type KeyedOnWire = Pick<rpc.ChangeMembersReq, "key" | "waitMs" | "again">;

function closed(): ImError {
  return new ImError("CLOSED", "Cannot ask the store: it is closed");
}

/** On the wire the empty place is the first page's. */
function fromOf(from: string | undefined): string {
  if (from === "") throw new ImError("INVALID_BODY", "Cannot read a page: it begins nowhere");
  return from ?? "";
}
