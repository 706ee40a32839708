import type { BodyCodec } from "../protocol/body_codec.ts";
import * as pkt from "../protocol/gen/pkt_messages.ts";
import { META } from "../protocol/meta.ts";
import type { LogicPacket } from "../protocol/packet.ts";
import { GROUP_TALK } from "./commands.ts";

/** A message of the account's inbox. */
export interface Message {
  readonly messageId: bigint;
  /** Unix nanoseconds, set by the server when it stored the message. */
  readonly sendTime: bigint;
  readonly sender: string;
  /** Whom the conversation is with: the other account, or the group id. */
  readonly peer: string;
  readonly group: boolean;
  /** Sent by this account on another device (or in an earlier run that did not hear the answer). */
  readonly own: boolean;
  /** 1 text, 2 image, 3 voice, 4 video; the server does not look at it. */
  readonly type: number;
  readonly body: string;
  readonly extra: string;
  /** Dense number within the conversation, 0 when the server has none. */
  readonly seq: number;
  /** Dense number within the account's inbox; 0 in a large group, whose messages are not in it, or when the server has none. */
  readonly pos: number;
  /** The sender's id for it; "" from clients that give none. */
  readonly clientMsgId: string;
}

/** A message on its way to the handlers. */
export interface Arrival {
  readonly messageId: bigint;
  /** Undefined: one that this client sent itself, or that was handed over already. */
  readonly message: Message | undefined;
  /** The group it belongs to, "" for none; then `seq` counts the group's messages. */
  readonly group: string;
  readonly seq: number;
}

/** A talk push as the message it carries. `account` is ours. @throws {ImError} BODY_INVALID */
export function messageOfPush(packet: LogicPacket, codec: BodyCodec, account: string): Message {
  const { command, dest, meta } = packet.header;
  const push = codec.decode(pkt.MessagePush, packet.body);
  const text = meta.find((one) => one.key === META.POS)?.value;
  return makeMessage(push, dest, command === GROUP_TALK, Number(text ?? push.userSeq) || 0, account);
}

/** A row of a sync page, which says itself where it belongs. */
export function messageOfRow(row: pkt.MessagePush, account: string): Message {
  return makeMessage(row, row.dest, row.group, row.userSeq, account);
}

function makeMessage(push: pkt.MessagePush, dest: string, group: boolean, pos: number, account: string): Message {
  const own = push.sender === account;
  const { messageId, sendTime, sender, type, body, extra, seq, clientMsgId } = push;
  const peer = group || own ? dest : sender;
  return { messageId, sendTime, sender, peer, group, own, type, body, extra, seq, pos, clientMsgId };
}
