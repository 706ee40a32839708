import { ImError } from "../../../base/errors.ts";
import type { Appended } from "../../../message/message_store.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { TEXT } from "../../../protocol/limits.ts";
import { codePoints } from "../../../protocol/names.ts";

/** Name and help of the metric both kinds of talks are measured with. */
export const PUSH_SECONDS = ["petrel_push_seconds", "From a talk's arrival at logic to its push leaving"] as const;

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
