import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import type { Appended } from "../../../message/message_store.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { TEXT } from "../../../protocol/limits.ts";
import { codePoints } from "../../../protocol/names.ts";
import type { LogicDeps } from "../deps.ts";

/** Name and help of the metric both kinds of talks are measured with. */
export const PUSH_SECONDS = ["petrel_push_seconds", "From a talk's arrival at logic to its push leaving"] as const;

/** What storing a talk needs. */
export type TalkDeps = Pick<LogicDeps, "clock" | "metrics" | "sessions" | "batcher" | "afterReply">;

/** Stores a talk to the header's dest, in the order of the calls; resolves when it is durable. */
export function storeTalk(
  deps: TalkDeps,
  ctx: CommandContext,
  request: pkt.MessageReq,
  group: boolean,
): Promise<Appended> {
  const { app, account: sender, header: { dest }, key, startBy, again } = ctx;
  const { type, body, extra, clientMsgId } = request;
  return deps.batcher.append({
    app,
    sender,
    dest,
    group,
    type,
    body,
    extra,
    key,
    clientMsgId: clientMsgId === "" ? undefined : clientMsgId,
    startBy,
    again,
  });
}

/** What the sender is told of a stored talk; an old client hears of no numbers. */
export function replyOf(ctx: CommandContext, stored: Appended): pkt.MessageResp {
  return {
    messageId: stored.messageId,
    sendTime: stored.sendTime,
    seq: ctx.caps ? stored.seq : 0,
    userSeq: ctx.caps ? stored.senderPos : 0,
  };
}

/** @throws {ImError} INVALID_BODY: a text is too long. */
export function checkTexts(request: pkt.MessageReq): void {
  check("body", request.body, TEXT.body);
  check("extra", request.extra, TEXT.extra);
  check("client_msg_id", request.clientMsgId, TEXT.clientMsgId);
}

/** What the others are told of a stored message. */
export function pushOf(sender: string, request: pkt.MessageReq, stored: Appended): Partial<pkt.MessagePush> {
  return {
    messageId: stored.messageId,
    type: request.type,
    body: request.body,
    extra: request.extra,
    sender,
    sendTime: stored.sendTime,
    seq: stored.seq,
    clientMsgId: request.clientMsgId,
  };
}

function check(field: string, text: string, most: number): void {
  if (codePoints(text, most) > most) {
    throw new ImError("INVALID_BODY", `Cannot talk: ${field} is longer than ${most} characters`);
  }
}
