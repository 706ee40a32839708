import { ImError } from "../../../base/errors.ts";
import type { Histogram } from "../../../base/metrics.ts";
import type { CommandContext } from "../../../command/context.ts";
import type { Appended } from "../../../message/message_store.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { isName } from "../../../protocol/names.ts";
import type { Target } from "../../../protocol/route.ts";
import { checkTexts, PUSH_SECONDS, pushOf, replyOf, storeTalk, type TalkDeps } from "./talk.ts";

/** chat.user.talk: stores the message and replies once it is durable; delivery starts after the reply and cannot change it. */
export function userTalk(deps: TalkDeps) {
  const pushSeconds = deps.metrics.histogram(...PUSH_SECONDS);
  return async (ctx: CommandContext, request: pkt.MessageReq): Promise<pkt.MessageResp> => {
    const dest = ctx.header.dest;
    if (dest === "") throw new ImError("NO_DESTINATION", "Cannot talk: dest is empty");
    if (!isName(dest)) throw new ImError("INVALID_BODY", "Cannot talk: dest is not a legal account name");
    checkTexts(request);
    const stored = await storeTalk(deps, ctx, request, false);
    ctx.pos = stored.senderPos;
    ctx.after(() => deliver(deps, pushSeconds, ctx, request, stored));
    return replyOf(ctx, stored);
  };
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
  ctx.dispatch(targets, pkt.MessagePush, pushOf(sender, request, stored));
  pushSeconds.observe((deps.clock.mono() - ctx.arrivedMs) / 1000);
}
