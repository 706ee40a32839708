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
import { Asker, type AskerOptions, type Call } from "./royal/asker.ts";
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
  waitOf,
} from "./store_wire.ts";

/** `clock`, `log`, `random` and `fetch` have defaults. */
export type RoyalOptions = Pick<AskerOptions, "url" | "sign"> & Partial<Omit<AskerOptions, "url" | "sign">>;

/**
 * A message store behind royal's HTTP API. Appends of one client travel one request at a time, in the order of their
 * calls, so no channel has two in flight. A request whose outcome is unknown is asked again, with the same keys, until
 * there is an answer: nothing is stored twice, and no refusal is given for what may be stored.
 */
export class RoyalStore implements ImStore {
  readonly #clock: Clock;
  readonly #asker: Asker;
  readonly #keys = new KeyGiver();
  #last: Promise<unknown> = Promise.resolve();

  /** @throws {ImError} CONFIG: the URL is none. */
  constructor(options: RoyalOptions) {
    const { clock = systemClock, log = silent, random = Math.random } = options;
    this.#clock = clock;
    this.#asker = new Asker({ ...options, clock, log, random, fetch: options.fetch ?? fetch });
  }

  append(batch: readonly AppendRequest[]): Promise<AppendResult[]> {
    if (batch.length === 0) return Promise.resolve([]);
    return this.#inTurn(async () => {
      const keyed = this.#keys.give(batch);
      try {
        const { results } = await this.#asker.insist(CALL.append, (wait) => ({
          appends: keyed.map((one) =>
            appendToWire(wait === undefined ? one : { ...one, startBy: Infinity }, this.#clock.mono())
          ),
        }));
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

  async ack(app: string, account: string, device: string, pos: number): Promise<number> {
    return (await this.#asker.read(CALL.ack, { app, account, device, pos })).pos;
  }

  async acked(app: string, account: string, device: string): Promise<number> {
    return (await this.#asker.read(CALL.acked, { app, account, device })).pos;
  }

  createGroup(request: CreateGroup): Promise<{ id: string; members: readonly string[] }> {
    return this.#inTurn(async () => {
      const { app, owner, name, avatar, introduction, members, startBy } = request;
      const [{ key }] = this.#keys.give([request]) as [CreateGroup];
      try {
        return await this.#asker.insist(CALL.createGroup, (wait) => ({
          app,
          owner,
          name,
          avatar,
          introduction,
          members: [...members],
          ...keyToWire(key),
          waitMs: wait ?? waitOf(startBy, this.#clock.mono()),
        }));
      } finally {
        this.#keys.answered([{ key }]);
      }
    });
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
    const page = await this.#asker.read(CALL.members, { app, group: id, from: from ?? "", limit });
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
    const page = await this.#asker.read(CALL.conversations, { app, account, from: from ?? "", limit });
    const conversations: Conversation[] = page.conversations.map(conversationOfWire);
    return { conversations, next: page.next === "" ? undefined : page.next };
  }

  async setRead(app: string, account: string, peer: Peer, seq: number): Promise<number> {
    return (await this.#asker.read(CALL.setRead, { app, account, ...peerToWire(peer), seq })).seq;
  }

  async removeBefore(sendTime: bigint, most: number): Promise<number> {
    return (await this.#asker.read(CALL.trim, { sendTime, most })).removed;
  }

  health(): StoreHealth {
    const { problem } = this.#asker;
    return { writable: problem === undefined, problem };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#asker[Symbol.asyncDispose]();
  }

  #change(call: Call<rpc.ChangeMembersReq, rpc.ChangeMembersResp>, request: ChangeMembers): Promise<MembersChanged> {
    const { app, group, accounts, by, startBy } = request;
    return this.#inTurn(() =>
      this.#asker.insist(call, (wait) => ({
        app,
        group,
        accounts: [...accounts],
        by: by ?? "",
        waitMs: wait ?? waitOf(startBy, this.#clock.mono()),
      }))
    );
  }

  /** Changes happen in the order they were asked for. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(run);
    this.#last = mine.catch(() => {}); // whoever asked is told
    return mine;
  }
}
