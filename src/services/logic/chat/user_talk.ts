import { ImError } from "../../../base/errors.ts";
import type { Histogram } from "../../../base/metrics.ts";
import type { CommandContext } from "../../../command/context.ts";
import type { Appended } from "../../../message/message_store.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { TEXT } from "../../../protocol/limits.ts";
import { codePoints, isName } from "../../../protocol/names.ts";
import type { Target } from "../../../protocol/route.ts";
import type { LogicDeps } from "../deps.ts";

type TalkDeps = Pick<LogicDeps, "clock" | "metrics" | "sessions" | "batcher" | "afterReply">;

/** chat.user.talk: stores the message and replies once it is durable; delivery starts after the reply and cannot change it. */
export function userTalk(deps: TalkDeps) {
  const pushSeconds = deps.metrics.histogram(
    "petrel_push_seconds",
    "From a talk's arrival at logic to its push leaving",
  );
  return async (ctx: CommandContext, request: pkt.MessageReq): Promise<pkt.MessageResp> => {
    const { app, account: sender, key, startBy, again } = ctx;
    const dest = ctx.header.dest;
    if (dest === "") throw new ImError("NO_DESTINATION", "Cannot talk: dest is empty");
    if (!isName(dest)) throw new ImError("INVALID_BODY", "Cannot talk: dest is not a legal account name");
    checkTexts(request);
    const stored = await deps.batcher.append({
      app,
      sender,
      dest,
      type: request.type,
      body: request.body,
      extra: request.extra,
      key,
      clientMsgId: request.clientMsgId === "" ? undefined : request.clientMsgId,
      startBy,
      again,
    });
    ctx.pos = stored.senderPos;
    ctx.after(() => deliver(deps, pushSeconds, ctx, request, stored));
    return {
      messageId: stored.messageId,
      sendTime: stored.sendTime,
      seq: ctx.caps ? stored.seq : 0,
      userSeq: ctx.caps ? stored.senderPos : 0,
    };
  };
}

function checkTexts(request: pkt.MessageReq): void {
  check("body", request.body, TEXT.body);
  check("extra", request.extra, TEXT.extra);
  check("client_msg_id", request.clientMsgId, TEXT.clientMsgId);
}

function check(field: string, text: string, most: number): void {
  if (codePoints(text, most) > most) {
    throw new ImError("INVALID_BODY", `Cannot talk: ${field} is longer than ${most} characters`);
  }
}

/**
 * Pushes to every device of the receiver and to the sender's other devices. A duplicate is pushed again too: its first
 * push may have been lost with the server that stored it, and a channel that has its position drops it.
 */
async function deliver(
  deps: TalkDeps,
  pushSeconds: Histogram,
  ctx: CommandContext,
  request: pkt.MessageReq,
  stored: Appended,
): Promise<void> {
  if (deps.afterReply) await deps.afterReply();
  const { account: sender, header: { dest } } = ctx;
  const targets: Target[] = [];
  for (const at of await deps.sessions.locate(ctx.app, dest === sender ? [sender] : [dest, sender])) {
    if (at.channelId === ctx.channelId) continue;
    const own = at.account === sender;
    const pos = own ? stored.senderPos : stored.receiverPos;
    targets.push({ gateId: at.gateId, channelId: at.channelId, content: at.content, pos, own });
  }
  if (targets.length === 0) return;
  ctx.dispatch(targets, pkt.MessagePush, {
    messageId: stored.messageId,
    type: request.type,
    body: request.body,
    extra: request.extra,
    sender,
    sendTime: stored.sendTime,
    seq: stored.seq,
    clientMsgId: request.clientMsgId,
  });
  pushSeconds.observe((deps.clock.mono() - ctx.arrivedMs) / 1000);
}
