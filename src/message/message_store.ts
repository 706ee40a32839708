import type { ImError } from "../base/errors.ts";
import type { RequestKey } from "../protocol/route.ts";
import type { ConversationStore } from "./conversation_store.ts";
import type { GroupStore } from "./group_store.ts";

export type { RequestKey } from "../protocol/route.ts";

/** One message to be stored. Names were checked (protocol/names.ts), texts were measured (protocol/limits.ts). */
export interface AppendRequest {
  readonly app: string;
  readonly sender: string;
  /** Receiving account, or group id. */
  readonly dest: string;
  /** `dest` is a group: only its members may write. Default false. */
  readonly group?: boolean | undefined;
  readonly type: number;
  readonly body: string;
  readonly extra: string;
  /** Inner-hop key, remembered for 10 minutes. */
  readonly key?: RequestKey | undefined;
  /** The client's own id, unique per app and account, remembered for 7 days. */
  readonly clientMsgId?: string | undefined;
  /** Monotonic ms of this process's clock; if the commit has not begun by then, the answer is BUSY. */
  readonly startBy: number;
  /**
   * Was forwarded before and may be stored already: it is not refused before it was looked up, and a refusal is final: for
   * 10 minutes nothing is stored under its key, although the first copy may still come.
   */
  readonly again?: boolean | undefined;
}

/** The first answer for a message. Numbers are dense: `seq` per conversation, positions (`user_seq`) per account. */
export interface Appended {
  readonly messageId: bigint;
  /** Unix nanoseconds, strictly growing in a store, never earlier than the conversation's last. */
  readonly sendTime: bigint;
  readonly seq: number;
  readonly senderPos: number;
  /** Equal to senderPos when somebody writes to themselves: one inbox row. In a group 0. */
  readonly receiverPos: number;
  /**
   * In a group with inbox rows: every member of that moment, the sender too, and the position it got. A duplicate of which
   * retention removed the message has none.
   */
  readonly fan?: readonly MemberPos[] | undefined;
  /** In a large group: nobody got an inbox row (senderPos is 0), push to the room. */
  readonly room?: boolean | undefined;
  /** Was stored by an earlier request with the same key or client id: answer it, do not push it. */
  readonly duplicate: boolean;
}

/** The inbox position a group message has for one member. */
export interface MemberPos {
  readonly account: string;
  readonly pos: number;
}

/**
 * BUSY: not stored, wait. SYSTEM: not stored, try again. DUPLICATE_ID: same client id, other content. In a group:
 * INVALID_BODY (unknown group), UNAUTHORIZED (not a member).
 */
export type AppendResult = Appended | ImError;

/** 0: the account received it, 1: the account sent it. */
export type Direction = 0 | 1;

/** A row of an account's inbox. */
export interface InboxEntry {
  readonly pos: number;
  readonly messageId: bigint;
  readonly direction: Direction;
  /** The other side; for a group message the sender. */
  readonly peer: string;
  /** Group id, "" for one-to-one. */
  readonly group: string;
  readonly sendTime: bigint;
}

/** A row with its message. `seq` is the number in the conversation. */
export interface InboxMessage extends InboxEntry {
  readonly seq: number;
  readonly type: number;
  readonly body: string;
  readonly extra: string;
  readonly sender: string;
  readonly clientMsgId: string | undefined;
}

export interface Head {
  /** Highest position given, 0 for an empty inbox. */
  readonly pos: number;
  /** Positions up to here were removed by retention. Undefined: none. */
  readonly trimmed?: number | undefined;
  /** Names this log; changes only when it was made anew. "0" for an account without an inbox: it matches nothing. */
  readonly epoch: string;
}

export interface InboxRange {
  /** Exclusive. */
  readonly after: number;
  /** Inclusive; absent: the head. */
  readonly upTo?: number;
  readonly limit: number;
  /** Only rows of this direction (they count for `limit`); `scannedTo` still passes the others. */
  readonly direction?: Direction;
  /** Unix nanoseconds: rows sent before are skipped. */
  readonly since?: bigint;
}

export interface InboxPage<Row> {
  readonly rows: readonly Row[];
  readonly head: Head;
  /** Every position up to here was looked at: where the next page starts, and what an empty page proves. */
  readonly scannedTo: number;
}

export interface StoredContent {
  readonly messageId: bigint;
  readonly type: number;
  readonly body: string;
  readonly extra: string;
}

/**
 * Messages, inboxes and read positions. Every name is within an app. Reads see everything whose append has answered.
 * All methods reject with an ImError: SYSTEM (failure, try again) or CLOSED.
 */
export interface MessageStore extends AsyncDisposable {
  /**
   * Stores in the order given, in one or more transactions; results in the same order. Resolves when durable.
   * Answers a known key or client id with its first answer. Calls are carried out in the order they are made.
   */
  append(batch: readonly AppendRequest[]): Promise<AppendResult[]>;
  entries(app: string, account: string, range: InboxRange): Promise<InboxPage<InboxEntry>>;
  messages(app: string, account: string, range: InboxRange): Promise<InboxPage<InboxMessage>>;
  /**
   * One entry per id asked for, in that order; undefined: unknown, or the account is not a party. Without an account:
   * of the whole app, for a caller that answers for who may read what.
   */
  contents(app: string, account: string | undefined, ids: readonly bigint[]): Promise<(StoredContent | undefined)[]>;
  /** The position a message has in the account's inbox; undefined: unknown or not a party. */
  position(app: string, account: string, messageId: bigint): Promise<number | undefined>;
  heads(app: string, accounts: readonly string[]): Promise<Head[]>;
  /** Moves the device's read position forward, never back, never beyond the head; gives the position it has now. */
  ack(app: string, account: string, device: string, pos: number): Promise<number>;
  /** 0 when nothing was acknowledged. */
  acked(app: string, account: string, device: string): Promise<number>;
}

/** State of the writer, for `/ready` and metrics. */
export interface StoreHealth {
  readonly writable: boolean;
  /** Why not, in words for a person. */
  readonly problem: string | undefined;
}

/** All that a message store is: what the parts of a system stand on, whoever keeps it. */
export interface ImStore extends MessageStore, GroupStore, ConversationStore {}
