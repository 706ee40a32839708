import { type ErrorCode, ImError } from "../../base/errors.ts";
import type {
  Appended,
  AppendRequest,
  AppendResult,
  Direction,
  InboxRange,
  MemberPos,
  RequestKey,
} from "../message_store.ts";
import type { Answer } from "./stored.ts";
import { eachInFan } from "./fan.ts";
import type { Op } from "./ops.ts";
import type { Packer, Unpacker } from "./wire.ts";

/** First byte of a request. Writer: write, peek, lasts, inject. Reader: the others. */
export const ASK = {
  write: 1,
  peek: 2,
  inject: 3,
  page: 4,
  contents: 5,
  position: 6,
  heads: 7,
  acked: 8,
  group: 9,
  member: 10,
  members: 11,
  rooms: 12,
  history: 13,
  roomMessages: 14,
  places: 15,
  conversations: 16,
  lasts: 17,
} as const;
/** First byte of a reply. After "fatal" no request of this lane is ever answered. */
export const REPLY = { ok: 0, error: 1, fatal: 2 } as const;

export interface Ack {
  readonly app: string;
  readonly account: string;
  readonly device: string;
  readonly pos: number;
}

/** An append as the writer sees it. `late`: may only be answered from memory, not stored any more. */
export interface Write extends Omit<AppendRequest, "startBy"> {
  readonly late: boolean;
}

/** Appends and ops in the order they were asked for. */
export interface Job {
  readonly items: readonly (Write | Op)[];
  readonly acks: readonly Ack[];
}

const KEY = 1, CLIENT_ID = 2, LATE = 4, SAME_APP = 8, GROUP = 16, OP = 32, AGAIN = 64;

export function packOp(out: Packer, op: Op): void {
  out.u8(OP);
  out.text(JSON.stringify(op));
}

/** Writes one append; `appBefore` is the app of the one before it. hot: per message */
export function packWrite(out: Packer, one: AppendRequest, late: boolean, appBefore: string): void {
  const { key, clientMsgId } = one;
  const same = one.app === appBefore;
  out.u8(
    (key ? KEY : 0) | (clientMsgId !== undefined ? CLIENT_ID : 0) | (late ? LATE : 0) | (same ? SAME_APP : 0) |
      (one.group ? GROUP : 0) | (one.again ? AGAIN : 0),
  );
  if (!same) out.text(one.app);
  out.text(one.sender);
  out.text(one.dest);
  out.i32(one.type);
  out.text(one.body);
  out.text(one.extra);
  if (key) {
    out.text(key.scope);
    out.num(key.n);
    out.num(key.low);
  }
  if (clientMsgId !== undefined) out.text(clientMsgId);
}

/** hot: per message */
export function readItem(from: Unpacker, appBefore: string): Write | Op {
  const flags = from.u8();
  if (flags === OP) return JSON.parse(from.text()) as Op; // written by packOp of this build
  return {
    app: flags & SAME_APP ? appBefore : from.text(),
    sender: from.text(),
    dest: from.text(),
    group: (flags & GROUP) !== 0,
    type: from.i32(),
    body: from.text(),
    extra: from.text(),
    key: flags & KEY ? readKey(from) : undefined,
    clientMsgId: flags & CLIENT_ID ? from.text() : undefined,
    late: (flags & LATE) !== 0,
    again: (flags & AGAIN) !== 0,
  };
}

function readKey(from: Unpacker): RequestKey {
  return { scope: from.text(), n: from.num(), low: from.num() };
}

export function packAck(out: Packer, ack: Ack): void {
  out.text(ack.app);
  out.text(ack.account);
  out.text(ack.device);
  out.num(ack.pos);
}

export function readAck(from: Unpacker): Ack {
  return { app: from.text(), account: from.text(), device: from.text(), pos: from.num() };
}

const STORED = 0, DUPLICATE = 1, REFUSED = 2, DONE = 3;
/** After the numbers: nothing more, a large group, a fan. */
const PLAIN = 0, ROOM = 1, FAN = 2;

/** Lists of names that travel once with a reply, however many answers have them. */
export type NameLists<Key> = Map<Key, number>;

/** hot: per message */
export function packAnswer(out: Packer, answer: Answer, lists: NameLists<readonly string[]>): void {
  const { stored, fan } = answer;
  out.u8(answer.duplicate ? DUPLICATE : STORED);
  out.i64(stored.id);
  out.i64(stored.sendTime);
  out.num(stored.seq);
  out.num(stored.senderPos);
  out.num(stored.receiverPos);
  out.u8(fan ? FAN : stored.form === "room" ? ROOM : PLAIN);
  if (!fan) return;
  const known = lists.get(fan.names);
  out.i32(known ?? lists.size);
  if (known === undefined) {
    lists.set(fan.names, lists.size);
    out.i32(fan.names.length);
    for (const name of fan.names) out.text(name);
  }
  out.part(fan.bytes);
}

export function packRefusal(out: Packer, error: ImError): void {
  out.u8(REFUSED);
  packError(out, error);
}

/** What an op did, as JSON. */
export function packDone(out: Packer, value: unknown): void {
  out.u8(DONE);
  out.text(JSON.stringify(value));
}

/** @param lists of this reply so far. hot: per message */
export function readAnswer(from: Unpacker, lists: (readonly string[])[]): AppendResult {
  const tag = from.u8();
  if (tag === REFUSED) return readError(from);
  const answer: Appended = {
    messageId: from.i64(),
    sendTime: from.i64(),
    seq: from.num(),
    senderPos: from.num(),
    receiverPos: from.num(),
    duplicate: tag === DUPLICATE,
  };
  const form = from.u8();
  if (form === PLAIN) return answer;
  return form === ROOM ? { ...answer, room: true } : { ...answer, fan: readFan(from, lists) };
}

/** The answer to an op. @throws {ImError} */
export function readDone(from: Unpacker): unknown {
  if (from.u8() === REFUSED) throw readError(from);
  return JSON.parse(from.text());
}

function readFan(from: Unpacker, lists: (readonly string[])[]): MemberPos[] {
  const list = from.i32();
  const names = lists[list] ??= Array.from({ length: from.i32() }, () => from.text());
  const fan: MemberPos[] = [];
  eachInFan(from.part(), (_, pos) => fan.push({ account: names[fan.length] ?? "", pos }));
  return fan;
}

/** Only code and message travel: the cause stays where it was logged. */
export function packError(out: Packer, error: ImError): void {
  out.text(error.code);
  out.text(error.message);
}

export function readError(from: Unpacker): ImError {
  return new ImError(from.text() as ErrorCode, from.text()); // written by packError of this build
}

const ANY_DIRECTION = 2;
const NO_SINCE = -1n;

export function packRange(out: Packer, range: InboxRange): void {
  out.num(range.after);
  out.num(range.upTo ?? Number.MAX_SAFE_INTEGER);
  out.num(range.limit);
  out.u8(range.direction ?? ANY_DIRECTION);
  out.i64(range.since ?? NO_SINCE);
}

/** A range with nothing left open. */
export interface FullRange {
  readonly after: number;
  readonly upTo: number;
  readonly limit: number;
  readonly direction: Direction | undefined;
  /** -1: any time. */
  readonly since: bigint;
}

export function readRange(from: Unpacker): FullRange {
  const after = from.num(), upTo = from.num(), limit = from.num(), direction = from.u8(), since = from.i64();
  return { after, upTo, limit, direction: direction === 0 || direction === 1 ? direction : undefined, since };
}

/** What travels with every reply of a write. */
export interface WriterState {
  /** Why nothing can be written, "" when it can. */
  readonly problem: string;
  readonly writable: boolean;
  readonly waitingRows: number;
  readonly waitingLogs: number;
  readonly cachedLogs: number;
  readonly rememberedKeys: number;
  readonly commits: number;
  readonly failedCommits: number;
  /** Rows wait that should be written when there is time: an empty job does it. */
  readonly behind: boolean;
}

export function packState(out: Packer, state: WriterState): void {
  out.text(state.problem);
  out.u8(state.writable ? 1 : 0);
  out.num(state.waitingRows);
  out.num(state.waitingLogs);
  out.num(state.cachedLogs);
  out.num(state.rememberedKeys);
  out.num(state.commits);
  out.num(state.failedCommits);
  out.u8(state.behind ? 1 : 0);
}

export function readState(from: Unpacker): WriterState {
  return {
    problem: from.text(),
    writable: from.u8() === 1,
    waitingRows: from.num(),
    waitingLogs: from.num(),
    cachedLogs: from.num(),
    rememberedKeys: from.num(),
    commits: from.num(),
    failedCommits: from.num(),
    behind: from.u8() === 1,
  };
}
