import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import type { LogicDeps } from "../deps.ts";

/**
 * chat.talk.ack: "read up to and including this message", by message id or (our clients) by position. Moves the
 * device's cursor forward, never back; an id that is not in the account's inbox changes nothing.
 */
export function talkAck(deps: Pick<LogicDeps, "messages" | "batcher">) {
  return async (ctx: CommandContext, request: pkt.MessageAckReq): Promise<Record<string, never>> => {
    if (request.messageId < 0n) throw new ImError("INVALID_BODY", "Cannot acknowledge: message id is negative");
    const { app, account, device } = ctx;
    let pos: number | undefined = request.userSeq;
    if (pos === 0 && request.messageId !== 0n) pos = await deps.messages.position(app, account, request.messageId);
    if (pos) await deps.batcher.ack(app, account, device, pos);
    return {};
  };
}
