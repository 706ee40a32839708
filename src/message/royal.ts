import { Backoff } from "../base/backoff.ts";
import { type Clock, sleep, systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { type Logger, silent } from "../base/logger.ts";
import type { BodyType } from "../protocol/bodies.ts";
import { decodeAs, encodeAs } from "../protocol/content.ts";
import * as rpc from "../protocol/gen/rpc_messages.ts";
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
import { KeyGiver } from "./royal/key_giver.ts";
import {
  appendToWire,
  contentOfWire,
  conversationOfWire,
  entryOfWire,
  errorOf,
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

export interface RoyalOptions {
  /** `http://127.0.0.1:8080`; a path is kept. */
  readonly url: string;
  /** Signs a request: the value of its Authorization header. */
  readonly sign?: ((method: string, path: string, body: Uint8Array) => string) | undefined;
  readonly clock?: Clock | undefined;
  readonly log?: Logger | undefined;
  /** From 0 up to, not including, 1. */
  readonly random?: (() => number) | undefined;
  readonly fetch?: typeof fetch | undefined;
}

/** Reads, and changes that were never sent, are given up after that. */
const DEADLINE_MS = 4_000;
/** One attempt; a change that may have arrived is then asked again. */
const ATTEMPT_MS = 10_000;
const RETRY = { baseMs: 25, maxMs: 1_000 };
const NEVER_SENT = /refused|ConnectionRefused|ECONNREFUSED|ENOTFOUND|ENOENT|dns error|lookup/i;
const TYPE = "application/x-protobuf";

interface Call<Req, Res> {
  readonly path: string;
  readonly request: BodyType<Req>;
  readonly response: BodyType<Res>;
}

/**
 * A message store behind royal's HTTP API. Appends of one client travel one request at a time, in the order of their
 * calls, so no channel has two in flight. A request whose outcome is unknown is asked again, with the same keys, until
 * there is an answer: nothing is stored twice, and no refusal is given for what may be stored.
 */
export class RoyalStore implements ImStore {
  readonly #base: string;
  readonly #path: string;
  readonly #options: RoyalOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #keys: KeyGiver;
  readonly #fetch: typeof fetch;
  #last: Promise<unknown> = Promise.resolve();
  #problem: string | undefined;
  readonly #closing = new AbortController();
  #open = 0;
  #stopping = false;
  #idle: () => void = () => {};

  /** @throws {ImError} CONFIG: the URL is none. */
  constructor(options: RoyalOptions) {
    if (!/^https?:\/\//.test(options.url) || !URL.canParse(options.url)) {
      throw new ImError("CONFIG", `Cannot use royal: ${options.url} is no http URL`);
    }
    const url = new URL(options.url);
    this.#base = url.origin;
    this.#path = url.pathname.replace(/\/$/, "");
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silent;
    this.#fetch = options.fetch ?? fetch;
    this.#keys = new KeyGiver();
  }

  append(batch: readonly AppendRequest[]): Promise<AppendResult[]> {
    if (batch.length === 0) return Promise.resolve([]);
    return this.#inTurn(async () => {
      const keyed = this.#keys.give(batch);
      try {
        const { results } = await this.#insist(CALL.append, (wait) => ({
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
    return pageOfWire(await this.#read(CALL.page, { app, account, ...rangeToWire(range) }), entryOfWire);
  }

  async messages(app: string, account: string, range: InboxRange): Promise<InboxPage<InboxMessage>> {
    return pageOfWire(await this.#read(CALL.page, { app, account, ...rangeToWire(range), whole: true }), messageOfWire);
  }

  async contents(
    app: string,
    account: string | undefined,
    ids: readonly bigint[],
  ): Promise<(StoredContent | undefined)[]> {
    const request = { app, account: account ?? "", messageIds: [...ids] };
    return (await this.#read(CALL.contents, request)).contents.map(contentOfWire);
  }

  async position(app: string, account: string, messageId: bigint): Promise<number | undefined> {
    const { pos } = await this.#read(CALL.position, { app, account, messageIds: [messageId] });
    return pos === 0 ? undefined : pos;
  }

  async heads(app: string, accounts: readonly string[]): Promise<Head[]> {
    return (await this.#read(CALL.heads, { app, accounts: [...accounts] })).heads.map(headOfWire);
  }

  async ack(app: string, account: string, device: string, pos: number): Promise<number> {
    return (await this.#read(CALL.ack, { app, account, device, pos })).pos;
  }

  async acked(app: string, account: string, device: string): Promise<number> {
    return (await this.#read(CALL.acked, { app, account, device })).pos;
  }

  createGroup(request: CreateGroup): Promise<{ id: string; members: readonly string[] }> {
    return this.#inTurn(async () => {
      const { app, owner, name, avatar, introduction, members, startBy } = request;
      const [{ key }] = this.#keys.give([request]) as [CreateGroup];
      try {
        return await this.#insist(CALL.createGroup, (wait) => ({
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
    return groupOfWire(await this.#read(CALL.group, { app, group: id }));
  }

  async isMember(app: string, id: string, account: string): Promise<boolean> {
    return (await this.#read(CALL.isMember, { app, group: id, account })).isMember;
  }

  async members(app: string, id: string, from: string | undefined, limit: number): Promise<MemberPage> {
    const page = await this.#read(CALL.members, { app, group: id, from: from ?? "", limit });
    const members = page.members.map(({ account, joinTime }) => ({ account, joinTime: Number(joinTime) }));
    return { members, next: page.next === "" ? undefined : page.next };
  }

  async rooms(app: string, account: string): Promise<readonly Room[]> {
    return (await this.#read(CALL.rooms, { app, account })).rooms;
  }

  async makeRows(app: string, accounts: readonly string[], since: bigint, most: number): Promise<readonly MadeRows[]> {
    return (await this.#read(CALL.makeRows, { app, accounts: [...accounts], since, most })).made;
  }

  async history(app: string, account: string, peer: Peer, range: HistoryRange): Promise<HistoryPage> {
    const request = { app, account, ...peerToWire(peer), ...historyRangeToWire(range) };
    return historyOfWire(await this.#read(CALL.history, request));
  }

  async roomMessages(app: string, group: string, after: number, limit: number): Promise<HistoryPage> {
    return historyOfWire(await this.#read(CALL.roomMessages, { app, dest: group, group: true, after, limit }));
  }

  async roomHeads(app: string, groups: readonly string[]): Promise<readonly number[]> {
    return (await this.#read(CALL.roomHeads, { app, groups: [...groups] })).heads;
  }

  async conversations(
    app: string,
    account: string,
    from: string | undefined,
    limit: number,
  ): Promise<ConversationPage> {
    const page = await this.#read(CALL.conversations, { app, account, from: from ?? "", limit });
    const conversations: Conversation[] = page.conversations.map(conversationOfWire);
    return { conversations, next: page.next === "" ? undefined : page.next };
  }

  async setRead(app: string, account: string, peer: Peer, seq: number): Promise<number> {
    return (await this.#read(CALL.setRead, { app, account, ...peerToWire(peer), seq })).seq;
  }

  async removeBefore(sendTime: bigint, most: number): Promise<number> {
    return (await this.#read(CALL.trim, { sendTime, most })).removed;
  }

  health(): StoreHealth {
    return { writable: this.#problem === undefined, problem: this.#problem };
  }

  /** What was asked and can still be answered is; what is asked from now on is rejected with CLOSED. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    if (this.#open > 0) {
      const limit = this.#clock.after(DEADLINE_MS, () => this.#closing.abort());
      await new Promise<void>((resolve) => this.#idle = resolve);
      limit.stop();
    }
    this.#closing.abort();
  }

  #change(call: Call<rpc.ChangeMembersReq, rpc.ChangeMembersResp>, request: ChangeMembers): Promise<MembersChanged> {
    const { app, group, accounts, by, startBy } = request;
    return this.#inTurn(() =>
      this.#insist(call, (wait) => ({
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

  /** Asks again for 4 s; then it failed. */
  #read<Req, Res>(call: Call<Req, Res>, request: Partial<Req>): Promise<Res> {
    const until = this.#clock.mono() + DEADLINE_MS;
    return this.#ask(call, () => request, () => this.#clock.mono() < until);
  }

  /**
   * Asks again until there is an answer, unless royal was never reached: then for 4 s. `make` is told how long to wait
   * once an attempt may have arrived: without limit, because what may be stored must be stored.
   */
  #insist<Req, Res>(call: Call<Req, Res>, make: (wait: number | undefined) => Partial<Req>): Promise<Res> {
    const until = this.#clock.mono() + DEADLINE_MS;
    let arrived = false;
    return this.#ask(call, () => make(arrived ? 0xffff_ffff : undefined), (error) => {
      arrived ||= !NEVER_SENT.test(words(error));
      return arrived || this.#clock.mono() < until;
    });
  }

  async #ask<Req, Res>(
    call: Call<Req, Res>,
    make: () => Partial<Req>,
    again: (error: unknown) => boolean,
  ): Promise<Res> {
    if (this.#stopping) throw closed();
    this.#open++;
    const backoff = new Backoff(this.#options.random ?? Math.random, RETRY);
    try {
      for (;;) {
        try {
          const answer = await this.#once(call, make());
          this.#problem = undefined;
          return answer;
        } catch (thrown) {
          if (thrown instanceof ImError) throw thrown;
          if (this.#closing.signal.aborted) throw closed();
          this.#problem = `The store at ${this.#base} cannot be reached: ${words(thrown)}`;
          if (backoff.failures === 0) {
            this.#log.warn("store cannot be reached", { url: this.#base, problem: words(thrown) });
          }
          if (!again(thrown)) throw new ImError("SYSTEM", "Cannot ask the store: it is not reached", { cause: thrown });
          await sleep(this.#clock, backoff.next());
        }
      }
    } finally {
      if (--this.#open === 0) this.#idle();
    }
  }

  /** @throws {ImError} what royal answered; anything else: there was no answer. */
  async #once<Req, Res>(call: Call<Req, Res>, request: Partial<Req>): Promise<Res> {
    const path = `${this.#path}${call.path}`;
    const body = encodeAs("protobuf", call.request, request);
    const authorization = this.#options.sign?.("POST", path, body);
    const response = await this.#fetch(`${this.#base}${path}`, {
      method: "POST",
      headers: { "content-type": TYPE, accept: TYPE, ...(authorization ? { authorization } : undefined) },
      body: Uint8Array.from(body),
      signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(ATTEMPT_MS)]),
    });
    const answer = new Uint8Array(await response.arrayBuffer());
    if (response.ok) return decodeAs("protobuf", call.response, answer);
    if (!response.headers.get("content-type")?.startsWith(TYPE)) throw new Error(`HTTP status ${response.status}`);
    const { code, message } = decodeAs("protobuf", rpc.ErrorBody, answer);
    throw errorOf(code, message);
  }
}

function words(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const code = "code" in thrown ? ` ${String(thrown.code)}` : "";
  const cause = thrown.cause instanceof Error ? ` (${words(thrown.cause)})` : "";
  return `${thrown.message || thrown.name}${code}${cause}`;
}

function closed(): ImError {
  return new ImError("CLOSED", "Cannot ask the store: it is closed");
}
