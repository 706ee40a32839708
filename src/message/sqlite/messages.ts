import { type ErrorCode, ImError } from "../../base/errors.ts";
import type { Appended, AppendRequest, AppendResult, Direction, InboxRange, RequestKey } from "../message_store.ts";
import type { Packer, Unpacker } from "./wire.ts";

/** First byte of a request. Writer: write, peek, inject. Reader: the others. */
export const ASK = { write: 1, peek: 2, inject: 3, page: 4, contents: 5, position: 6, heads: 7, acked: 8 } as const;
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

export interface Job {
  readonly writes: readonly Write[];
  readonly acks: readonly Ack[];
}

const KEY = 1, CLIENT_ID = 2, LATE = 4, SAME_APP = 8;

/** Writes one append; `appBefore` is the app of the one before it. hot: per message */
export function packWrite(out: Packer, one: AppendRequest, late: boolean, appBefore: string): void {
  const { key, clientMsgId } = one;
  const same = one.app === appBefore;
  out.u8(
    (key ? KEY : 0) | (clientMsgId !== undefined ? CLIENT_ID : 0) | (late ? LATE : 0) | (same ? SAME_APP : 0),
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
export function readWrite(from: Unpacker, appBefore: string): Write {
  const flags = from.u8();
  return {
    app: flags & SAME_APP ? appBefore : from.text(),
    sender: from.text(),
    dest: from.text(),
    type: from.i32(),
    body: from.text(),
    extra: from.text(),
    key: flags & KEY ? readKey(from) : undefined,
    clientMsgId: flags & CLIENT_ID ? from.text() : undefined,
    late: (flags & LATE) !== 0,
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

const STORED = 0, DUPLICATE = 1, REFUSED = 2;

/** The numbers of an answer; the writer's record has more. */
export type Numbers = Omit<Appended, "duplicate" | "messageId"> & { readonly id: bigint };

/** hot: per message */
export function packAnswer(out: Packer, answer: Numbers, duplicate: boolean): void {
  out.u8(duplicate ? DUPLICATE : STORED);
  out.i64(answer.id);
  out.i64(answer.sendTime);
  out.num(answer.seq);
  out.num(answer.senderPos);
  out.num(answer.receiverPos);
}

export function packRefusal(out: Packer, error: ImError): void {
  out.u8(REFUSED);
  packError(out, error);
}

/** hot: per message */
export function readAnswer(from: Unpacker): AppendResult {
  const tag = from.u8();
  if (tag === REFUSED) return readError(from);
  return {
    messageId: from.i64(),
    sendTime: from.i64(),
    seq: from.num(),
    senderPos: from.num(),
    receiverPos: from.num(),
    duplicate: tag === DUPLICATE,
  };
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
  };
}
