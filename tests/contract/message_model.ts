import { ImError } from "../../src/base/errors.ts";
import type { ConversationMessage, HistoryRange } from "../../src/message/conversation_store.ts";
import type {
  Appended,
  AppendRequest,
  AppendResult,
  InboxMessage,
  InboxRange,
} from "../../src/message/message_store.ts";
import type { Groups } from "./group_model.ts";

/** A message, as the model keeps it. */
export interface Kept {
  request: AppendRequest;
  readonly numbers: Pick<Appended, "seq" | "senderPos" | "receiverPos">;
  /** Of a group that is not large: positions by name. */
  readonly fan: ReadonlyMap<string, number> | undefined;
  /** Of a group: who was in. */
  readonly seenBy: ReadonlySet<string> | undefined;
  /** Given by the store under test. */
  messageId: bigint;
  sendTime: bigint;
  removed: boolean;
}

/** What the store should have answered, without the values that only it can know. */
export type Expected = { readonly of: Kept; readonly duplicate: boolean } | string;

export interface Answers {
  readonly results: Expected[];
  /** Something would be stored. */
  readonly stores: boolean;
}

/**
 * The plainest store: lists, searched from the start each time. It says what the store under test should answer, and
 * then takes over the ids and times it gave.
 */
export class MessageModel {
  kept: Kept[] = [];
  readonly groups: Groups = new Map();
  /** By app and account, in order of positions. */
  #inboxes = new Map<string, Kept[]>();
  readonly #cursors = new Map<string, number>();

  /**
   * What a batch should be answered. "fails": if it would store anything, its commit fails; "refuses": the store has
   * given up writing.
   */
  expect(batch: readonly AppendRequest[], mode: "works" | "fails" | "refuses"): Answers {
    const before = this.#inboxes, present = [...this.kept];
    this.#inboxes = new Map(Array.from(before, ([name, rows]) => [name, [...rows]]));
    const results = batch.map((request) => find(present, request) ?? this.#store(present, request));
    this.#inboxes = before;
    const stores = present.length > this.kept.length;
    if (mode === "works" || (mode === "fails" && !stores)) return { results, stores };
    return { results: batch.map((request) => find(this.kept, request) ?? "SYSTEM"), stores };
  }

  /** Compares, and keeps what was stored. Gives the first difference in words. */
  take(batch: readonly AppendRequest[], expected: readonly Expected[], results: readonly AppendResult[]): string {
    for (const [i, want] of expected.entries()) {
      const got = results[i];
      if (got === undefined) return `no result ${i} for ${batch[i]?.body}`;
      if (typeof want === "string" || got instanceof ImError) {
        if (typeof want !== "string" || !(got instanceof ImError) || got.code !== want) return differ(i, want, got);
        continue;
      }
      if (wordsOf(got) !== wordsOf(shownAnswer(want))) return differ(i, want, got);
      if (want.duplicate) {
        if (want.of.messageId !== got.messageId) return differ(i, want, got);
        continue;
      }
      const last = this.kept.at(-1);
      if (last && (got.messageId <= last.messageId || got.sendTime <= last.sendTime)) {
        return `result ${i} does not grow`;
      }
      want.of.messageId = got.messageId;
      want.of.sendTime = got.sendTime;
      this.kept.push(want.of);
      for (const name of partiesOf(want.of)) this.#inbox(want.of.request.app, name).push(want.of);
    }
    return "";
  }

  head(app: string, account: string): number {
    return this.#inbox(app, account).length;
  }

  rows(app: string, account: string, range: InboxRange): InboxMessage[] {
    return this.#inbox(app, account)
      .map((one, i) => ({ one, row: inboxRow(one, account, i + 1) }))
      .filter(({ one }) => !one.removed)
      .map(({ row }) => row)
      .filter(({ pos }) => pos > range.after && pos <= (range.upTo ?? Infinity))
      .filter(({ direction }) => range.direction === undefined || direction === range.direction)
      .filter(({ sendTime }) => sendTime >= (range.since ?? 0n))
      .slice(0, range.limit);
  }

  /** The messages of a conversation that an account may see now. */
  history(app: string, account: string, peer: string, grouped: boolean, range: HistoryRange): ConversationMessage[] {
    const seen = this.kept.filter(({ request, seenBy, removed }) =>
      !removed && request.app === app &&
      (grouped
        ? request.group && request.dest === peer && seenBy?.has(account)
        : !request.group && pairOf(request) === [account, peer].sort().join())
    );
    const rows = seen.map(historyRow);
    if ("after" in range) return rows.filter(({ seq }) => seq > range.after).slice(0, range.limit);
    return rows.filter(({ seq }) => seq < range.before).slice(-range.limit);
  }

  /** Rows for messages of large groups: gives the head. */
  makeRows(app: string, account: string, most: number): number {
    const inbox = this.#inbox(app, account);
    const missing = this.kept.filter((one) =>
      one.request.app === app && one.seenBy?.has(account) && one.fan === undefined && !inbox.includes(one) &&
      !one.removed
    );
    inbox.push(...missing.slice(0, most));
    return inbox.length;
  }

  /** The oldest messages go; gives how many. */
  remove(before: bigint, most: number): number {
    const old = this.kept.filter((one) => !one.removed && one.sendTime < before).slice(0, most);
    for (const one of old) one.removed = true;
    return old.length;
  }

  /** After a restart the keys of removed messages are gone. */
  reopen(): void {
    for (const one of this.kept) if (one.removed) one.request = { ...one.request, key: undefined };
  }

  /** The position an ack should give, and whether it has to write. */
  ack(app: string, account: string, device: string, pos: number): { pos: number; moves: boolean } {
    const now = this.#cursors.get(`${app}/${account}/${device}`) ?? 0;
    const next = Math.max(now, Math.min(pos, this.head(app, account)));
    return { pos: next, moves: next > now };
  }

  move(app: string, account: string, device: string, pos: number): void {
    this.#cursors.set(`${app}/${account}/${device}`, pos);
  }

  #inbox(app: string, account: string): Kept[] {
    const name = `${app}/${account}`;
    let inbox = this.#inboxes.get(name);
    if (!inbox) this.#inboxes.set(name, inbox = []);
    return inbox;
  }

  #store(present: Kept[], request: AppendRequest): Expected {
    const { app, sender, dest } = request;
    const group = request.group ? this.groups.get(dest) : undefined;
    if (request.group && group?.app !== app) return "INVALID_BODY";
    if (group && !group.members.has(sender)) return "UNAUTHORIZED";
    const next = (name: string) => this.head(app, name) + 1;
    const seq = 1 + present.filter((one) => sameConversation(one.request, request)).length;
    const fan = group && !group.large ? new Map([...group.members].map((name) => [name, next(name)])) : undefined;
    const numbers = group
      ? { seq, senderPos: fan?.get(sender) ?? 0, receiverPos: 0 }
      : { seq, senderPos: next(sender), receiverPos: next(dest) };
    const seenBy = group && new Set(group.members);
    const of: Kept = { request, numbers, fan, seenBy, messageId: 0n, sendTime: 0n, removed: false };
    present.push(of);
    for (const name of partiesOf(of)) this.#inbox(app, name).push(of);
    return { of, duplicate: false };
  }
}

function find(kept: readonly Kept[], request: AppendRequest): Expected | undefined {
  const { app, sender, key, clientMsgId } = request;
  const byKey = key && kept.find((one) => one.request.key?.scope === key.scope && one.request.key.n === key.n);
  if (byKey) return { of: byKey, duplicate: true };
  if (clientMsgId === undefined) return undefined;
  const of = kept.find(({ request: one }) =>
    one.app === app && one.sender === sender && one.clientMsgId === clientMsgId
  );
  if (!of) return undefined;
  const { dest, type, body, extra, group = false } = of.request;
  const same = dest === request.dest && type === request.type && body === request.body && extra === request.extra &&
    group === (request.group ?? false);
  return same ? { of, duplicate: true } : "DUPLICATE_ID";
}

/** Who gets a row when it is stored. */
function partiesOf({ request, fan }: Kept): readonly string[] {
  if (request.group) return fan ? [...fan.keys()] : [];
  return [...new Set([request.sender, request.dest])];
}

function pairOf({ sender, dest }: AppendRequest): string {
  return [sender, dest].sort().join();
}

function sameConversation(one: AppendRequest, other: AppendRequest): boolean {
  if (one.app !== other.app || (one.group ?? false) !== (other.group ?? false)) return false;
  return one.group ? one.dest === other.dest : pairOf(one) === pairOf(other);
}

function historyRow({ request, numbers, messageId, sendTime }: Kept): ConversationMessage {
  const { sender, type, body, extra, clientMsgId } = request;
  return { seq: numbers.seq, messageId, sender, type, body, extra, sendTime, clientMsgId };
}

function inboxRow(one: Kept, account: string, pos: number): InboxMessage {
  const { sender, dest, group } = one.request;
  const direction = sender === account ? 1 : 0;
  const peer = group || direction === 0 ? sender : dest;
  return { ...historyRow(one), pos, direction, peer, group: group ? dest : "" };
}

/** The part of an answer that the model knows. */
type Shown = Pick<Appended, "seq" | "senderPos" | "receiverPos" | "fan" | "room" | "duplicate">;

function shownAnswer({ of, duplicate }: Exclude<Expected, string>): Shown {
  const fan = of.fan && !of.removed ? Array.from(of.fan, ([account, pos]) => ({ account, pos })) : undefined;
  return { ...of.numbers, fan, room: of.seenBy !== undefined && of.fan === undefined, duplicate };
}

function wordsOf({ seq, senderPos, receiverPos, fan, room, duplicate }: Shown): string {
  const positions = fan?.map(({ account, pos }) => `${account}:${pos}`).sort().join() ?? (room ? "room" : "");
  return `${seq}/${senderPos}/${receiverPos} ${positions} ${duplicate}`;
}

function differ(i: number, want: Expected, got: AppendResult): string {
  const words = got instanceof ImError ? got.code : wordsOf(got);
  return `result ${i} is ${words}, should be ${typeof want === "string" ? want : wordsOf(shownAnswer(want))}`;
}
