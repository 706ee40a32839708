import type { Message } from "../sdk/message.ts";
import type { SentMessage } from "../sdk/sent_message.ts";
import { type ConversationKey, keyOf } from "./conversation.ts";

/**
 * "sending" and "failed" are our own messages of this browser, "durable" all of our own that are stored, "received" those
 * of others. A "notice" is no message: somebody came to a group or left it while this browser watched.
 */
export type EntryState = "sending" | "durable" | "failed" | "received" | "notice";

/** A message, or a notice, as the page shows and archives it; plain values. */
export interface Entry {
  /** The same in every tab: `c:` and the client's message id for our own, `m:` and the message id for others, `n:` for notices. */
  readonly key: string;
  readonly conversation: ConversationKey;
  readonly own: boolean;
  readonly sender: string;
  readonly type: number;
  /** Of a notice: "joined" or "left". */
  readonly body: string;
  readonly extra: string;
  /** Milliseconds since 1970: the server's once it is stored, ours before. */
  readonly timeMs: number;
  /** Its number in the conversation; 0 until it is stored. */
  readonly seq: number;
  readonly state: EntryState;
  /** Decimal; "" until it is stored. */
  readonly messageId: string;
  /** Why it failed: an error code of the SDK. */
  readonly error?: string | undefined;
}

/** What was handed over by the SDK. */
export function entryOfMessage(message: Message): Entry {
  const { own, sender, type, body, extra, seq, clientMsgId } = message;
  const messageId = String(message.messageId);
  return {
    key: own && clientMsgId !== "" ? `c:${clientMsgId}` : `m:${messageId}`,
    conversation: keyOf({ kind: message.group ? "group" : "user", id: message.peer }),
    own,
    sender,
    type,
    body,
    extra,
    timeMs: millis(message.sendTime),
    seq,
    state: own ? "durable" : "received",
    messageId,
  };
}

/** What we told the SDK to send, as far as it has come. */
export function entryOfSent(sent: SentMessage, sender: string): Entry {
  const { id, dest, group, type, body, extra, createdMs, state, receipt, error } = sent;
  return {
    key: `c:${id}`,
    conversation: keyOf({ kind: group ? "group" : "user", id: dest }),
    own: true,
    sender,
    type,
    body,
    extra,
    timeMs: receipt ? millis(receipt.sendTime) : createdMs,
    seq: receipt?.seq ?? 0,
    state,
    messageId: receipt ? String(receipt.messageId) : "",
    error: error?.code,
  };
}

/**
 * Somebody came or went. It stands behind the last entry there is, whatever the clock says; of several about one person at
 * one place the last counts.
 */
export function entryOfNotice(
  conversation: ConversationKey,
  account: string,
  what: "joined" | "left",
  after: { readonly seq: number; readonly timeMs: number },
): Entry {
  return {
    key: `n:${conversation}:${after.seq}:${account}`,
    conversation,
    own: false,
    sender: account,
    type: 0,
    body: what,
    extra: "",
    timeMs: after.timeMs,
    seq: 0,
    state: "notice",
    messageId: "",
  };
}

/** The client message id, of our own messages; "" for others. */
export function clientIdOf(entry: Entry): string {
  return entry.key.startsWith("c:") ? entry.key.slice(2) : "";
}

/**
 * Which of two tellings of one message is right: what is stored stays stored, whoever says otherwise later; else the
 * newer word counts.
 */
export function merged(old: Entry | undefined, news: Entry): Entry {
  return old && old.messageId !== "" && news.messageId === "" ? old : news;
}

function millis(nanos: bigint): number {
  return Number(nanos / 1_000_000n);
}
