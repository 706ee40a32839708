import type { Group } from "./group_store.ts";

/** One side's name of a conversation: with an account, or in a group. */
export type Peer = { readonly account: string } | { readonly group: string };

/** A message as a row of its conversation. */
export interface ConversationMessage {
  readonly seq: number;
  readonly messageId: bigint;
  readonly sender: string;
  readonly type: number;
  readonly body: string;
  readonly extra: string;
  /** Unix nanoseconds. */
  readonly sendTime: bigint;
  readonly clientMsgId: string | undefined;
}

/** Which part of a conversation: up from `after`, or down from `before` (both exclusive). Rows ascend either way. */
export type HistoryRange =
  | { readonly after: number; readonly limit: number }
  | { readonly before: number; readonly limit: number };

export interface HistoryPage {
  /** Ascending by seq, whichever way was asked. */
  readonly rows: readonly ConversationMessage[];
  /** The lowest seq this account could read: after it joined, and not removed by retention. head + 1: none. */
  readonly first: number;
  /** The last seq there is, 0 for none. */
  readonly head: number;
}

/** A line in the list of an account's conversations. */
export interface Conversation {
  readonly peer: Peer;
  readonly head: number;
  /** Undefined when there is none that the account may see (a new group, or retention removed it). */
  readonly last: ConversationMessage | undefined;
  /** This account's read position: others' messages above it are unread. */
  readonly read: number;
  /** Counted up to 1,000. */
  readonly unread: number;
  /** The group; undefined for a pair. */
  readonly group: Group | undefined;
}

export interface ConversationPage {
  /** Latest activity first: the last message, or joining the group. */
  readonly conversations: readonly Conversation[];
  /** Where the next page starts; undefined: there is none. Opaque. */
  readonly next: string | undefined;
}

/**
 * Conversations by seq: what history, unread counts and lists are made of. An account reads its pairs, and of a group
 * what was sent while it was in; of a group it is not in now: UNAUTHORIZED. Unknown group: INVALID_BODY. A pair that never talked
 * is empty, not an error. Sending a message moves the sender's read position to it, joining a group moves it to the head.
 * A group that an account left is not on its list; joining again puts it back, with what was sent while it was in before.
 */
export interface ConversationStore {
  history(app: string, account: string, peer: Peer, range: HistoryRange): Promise<HistoryPage>;
  /** Messages of a group above a seq, for its rooms at gateways: nobody's membership is asked. */
  roomMessages(app: string, group: string, after: number, limit: number): Promise<HistoryPage>;
  /** Heads of groups, 0 for unknown ones. */
  roomHeads(app: string, groups: readonly string[]): Promise<readonly number[]>;
  /** @param from `next` of the page before; undefined for the first. */
  conversations(app: string, account: string, from: string | undefined, limit: number): Promise<ConversationPage>;
  /** Moves the read position forward, never back, never beyond the head; gives the position it has now. */
  setRead(app: string, account: string, peer: Peer, seq: number): Promise<number>;
  /**
   * Removes messages sent before that time (Unix nanoseconds) with their rows, oldest first, at most `most` of them; gives
   * how many. Numbers, heads, cursors, epochs and client ids younger than 7 days stay valid: logs lose their beginning.
   */
  removeBefore(sendTime: bigint, most: number): Promise<number>;
}
