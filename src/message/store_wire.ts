// A little over 300 lines: both directions of every value stand side by side, or they drift apart.
import { type ErrorCode, ImError } from "../base/errors.ts";
import * as rpc from "../protocol/gen/rpc_messages.ts";
import { STATUS, type StatusName } from "../protocol/status.ts";
import type { Conversation, ConversationMessage, HistoryPage, HistoryRange, Peer } from "./conversation_store.ts";
import type { Group, MadeRows, MembersChanged } from "./group_store.ts";
import type {
  Appended,
  AppendRequest,
  AppendResult,
  Direction,
  Head,
  InboxEntry,
  InboxMessage,
  InboxPage,
  InboxRange,
  RequestKey,
  StoredContent,
} from "./message_store.ts";

/** What a store takes and gives, as messages of proto/rpc.proto and back. Times to wait are relative on the wire. */

/** Longest wait that is said; a request without a deadline waits that long. */
const LONGEST_MS = 0xffff_ffff;

/** @param nowMs monotonic ms of the side that calls. */
export function waitOf(startBy: number, nowMs: number): number {
  return Math.max(0, Math.min(LONGEST_MS, Math.ceil(startBy - nowMs)));
}

/** The deadline on the clock of the side that carries it out; a wait of 0 is over. */
export function startByOf(waitMs: number, nowMs: number): number {
  if (waitMs === LONGEST_MS) return Infinity;
  return waitMs === 0 ? -Infinity : nowMs + waitMs;
}

/** Positions and limits beyond either end stand for the end. */
export function uint32(value: number): number {
  return Math.max(0, Math.min(LONGEST_MS, value));
}

export function appendToWire(one: AppendRequest, nowMs: number): rpc.Append {
  const { app, sender, dest, group = false, type, body, extra, key, clientMsgId, startBy, again = false } = one;
  return {
    app,
    sender,
    dest,
    group,
    type,
    body,
    extra,
    ...keyToWire(key),
    hasClientMsgId: clientMsgId !== undefined,
    clientMsgId: clientMsgId ?? "",
    waitMs: waitOf(startBy, nowMs),
    again,
  };
}

export function appendOfWire(one: rpc.Append, nowMs: number): AppendRequest {
  const { app, sender, dest, group, type, body, extra, again } = one;
  return {
    app,
    sender,
    dest,
    ...(group ? { group } : undefined),
    type,
    body,
    extra,
    key: keyOfWire(one.key),
    clientMsgId: one.hasClientMsgId ? one.clientMsgId : undefined,
    startBy: startByOf(one.waitMs, nowMs),
    again,
  };
}

export function keyToWire(key: RequestKey | undefined): { key?: rpc.RequestKey } {
  return key ? { key: { scope: key.scope, n: BigInt(key.n), low: BigInt(key.low) } } : {};
}

export function keyOfWire(key: rpc.RequestKey | undefined): RequestKey | undefined {
  return key && { scope: key.scope, n: Number(key.n), low: Number(key.low) };
}

export function resultToWire(result: AppendResult): Partial<rpc.Appended> {
  if (result instanceof ImError) return { error: result.code, reason: result.message };
  const { messageId, sendTime, seq, senderPos, receiverPos, duplicate, fan, room = false } = result;
  const group = fan !== undefined;
  return { messageId, sendTime, seq, senderPos, receiverPos, duplicate, group, room, fan: fan ? [...fan] : [] };
}

export function resultOfWire(result: rpc.Appended): AppendResult {
  if (result.error !== "") return errorOf(result.error, result.reason);
  const { messageId, sendTime, seq, senderPos, receiverPos, duplicate, group, room, fan } = result;
  const numbers: Appended = { messageId, sendTime, seq, senderPos, receiverPos, duplicate };
  if (room) return { ...numbers, room };
  return group ? { ...numbers, fan } : numbers;
}

/** An error that was told by name; a name that is none of ours is SYSTEM. */
export function errorOf(code: string, message: string): ImError {
  const known = code in STATUS || code === "CLOSED" || code === "CONFIG";
  return new ImError(known ? code as StatusName | ErrorCode as ErrorCode : "SYSTEM", message);
}

export function rangeToWire({ after, upTo, limit, direction, since }: InboxRange): Partial<rpc.PageReq> {
  return {
    after: uint32(after),
    upTo: upTo === undefined ? 0 : Math.max(1, Math.min(upTo, LONGEST_MS)),
    limit: uint32(limit),
    direction: direction === undefined ? 0 : direction + 1,
    since: since ?? 0n,
  };
}

export function rangeOfWire({ after, upTo, limit, direction, since }: rpc.PageReq): InboxRange {
  return {
    after,
    limit,
    ...(upTo > 0 ? { upTo } : undefined),
    ...(direction > 0 ? { direction: direction === 2 ? 1 : 0 } : undefined),
    ...(since > 0n ? { since } : undefined),
  };
}

export function headToWire({ pos, epoch, trimmed = 0 }: Head): rpc.Head {
  return { pos, epoch, trimmed };
}

export function headOfWire(head: rpc.Head | undefined): Head {
  const { pos = 0, epoch = "0", trimmed = 0 } = head ?? {};
  return trimmed > 0 ? { pos, epoch, trimmed } : { pos, epoch };
}

export function pageToWire(page: InboxPage<InboxEntry | InboxMessage>): rpc.PageResp {
  return { rows: page.rows.map(rowToWire), head: headToWire(page.head), scannedTo: page.scannedTo };
}

function rowToWire(row: InboxEntry | InboxMessage): rpc.InboxRow {
  const { pos, messageId, direction, peer, group, sendTime } = row;
  const entry = { pos, messageId, direction, peer, group, sendTime };
  if (!("body" in row)) return { ...entry, ...NOT_WHOLE };
  const { seq, type, body, extra, sender, clientMsgId } = row;
  const named = { hasClientMsgId: clientMsgId !== undefined, clientMsgId: clientMsgId ?? "" };
  return { ...entry, seq, type, body, extra, sender, ...named };
}

const NOT_WHOLE = { seq: 0, type: 0, body: "", extra: "", sender: "", hasClientMsgId: false, clientMsgId: "" } as const;

export function entryOfWire(row: rpc.InboxRow): InboxEntry {
  const { pos, messageId, peer, group, sendTime } = row;
  const direction: Direction = row.direction === 1 ? 1 : 0;
  return { pos, messageId, direction, peer, group, sendTime };
}

export function messageOfWire(row: rpc.InboxRow): InboxMessage {
  const { seq, type, body, extra, sender } = row;
  const clientMsgId = row.hasClientMsgId ? row.clientMsgId : undefined;
  return { ...entryOfWire(row), seq, type, body, extra, sender, clientMsgId };
}

export function pageOfWire<Row>(page: rpc.PageResp, row: (row: rpc.InboxRow) => Row): InboxPage<Row> {
  return { rows: page.rows.map(row), head: headOfWire(page.head), scannedTo: page.scannedTo };
}

export function contentToWire(one: StoredContent | undefined): Partial<rpc.Content> {
  return one ?? {};
}

export function contentOfWire(one: rpc.Content): StoredContent | undefined {
  const { messageId, type, body, extra } = one;
  return messageId === 0n ? undefined : { messageId, type, body, extra };
}

export function groupToWire(group: Group): rpc.Group {
  const { id, name, avatar, introduction, owner, createdAt, memberCount, head, largeFrom } = group;
  const large = { large: largeFrom !== undefined, largeFrom: largeFrom ?? 0 };
  return { id, name, avatar, introduction, owner, createdAt: BigInt(createdAt), memberCount, head, ...large };
}

export function groupOfWire(group: rpc.Group | undefined): Group | undefined {
  if (!group || group.id === "") return undefined;
  const { id, name, avatar, introduction, owner, createdAt, memberCount, head, large, largeFrom } = group;
  return {
    id,
    name,
    avatar,
    introduction,
    owner,
    createdAt: Number(createdAt),
    memberCount,
    head,
    largeFrom: large ? largeFrom : undefined,
  };
}

export function changedToWire({ changed, seq, large, becameLarge }: MembersChanged): rpc.ChangeMembersResp {
  return { changed: [...changed], seq, large, becameLarge };
}

export function madeToWire({ head, rows }: MadeRows): rpc.MadeRows {
  return { head, rows: [...rows] };
}

export function peerToWire(peer: Peer): { dest: string; group: boolean } {
  return "group" in peer ? { dest: peer.group, group: true } : { dest: peer.account, group: false };
}

export function peerOfWire({ dest, group }: { dest: string; group: boolean }): Peer {
  return group ? { group: dest } : { account: dest };
}

export function historyRangeToWire(range: HistoryRange): Partial<rpc.ConversationReq> {
  const { limit } = range;
  if ("before" in range) return { before: Math.max(1, Math.min(range.before, LONGEST_MS)), limit };
  return { after: uint32(range.after), limit };
}

export function historyRangeOfWire({ after, before, limit }: rpc.ConversationReq): HistoryRange {
  return before > 0 ? { before, limit } : { after, limit };
}

export function historyToWire({ rows, first, head }: HistoryPage): Partial<rpc.HistoryResp> {
  return { rows: rows.map(saidToWire), first, head };
}

export function historyOfWire({ rows, first, head }: rpc.HistoryResp): HistoryPage {
  return { rows: rows.map(saidOfWire), first, head };
}

function saidToWire(row: ConversationMessage): rpc.ConversationMessage {
  const { seq, messageId, sender, type, body, extra, sendTime, clientMsgId } = row;
  const named = { hasClientMsgId: clientMsgId !== undefined, clientMsgId: clientMsgId ?? "" };
  return { seq, messageId, sender, type, body, extra, sendTime, ...named };
}

function saidOfWire(row: rpc.ConversationMessage): ConversationMessage {
  const { seq, messageId, sender, type, body, extra, sendTime } = row;
  const clientMsgId = row.hasClientMsgId ? row.clientMsgId : undefined;
  return { seq, messageId, sender, type, body, extra, sendTime, clientMsgId };
}

export function conversationToWire(one: Conversation): Partial<rpc.Conversation> {
  const { dest, group: isGroup } = peerToWire(one.peer);
  const { head, last, read, unread, group } = one;
  return {
    dest,
    isGroup,
    head,
    read,
    unread,
    ...(last ? { last: saidToWire(last) } : undefined),
    ...(group ? { group: groupToWire(group) } : undefined),
  };
}

export function conversationOfWire(one: rpc.Conversation): Conversation {
  const { dest, isGroup, head, last, read, unread, group } = one;
  return {
    peer: peerOfWire({ dest, group: isGroup }),
    head,
    last: last && saidOfWire(last),
    read,
    unread,
    group: groupOfWire(group),
  };
}
