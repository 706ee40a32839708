import { ImError } from "../../../base/errors.ts";
import type { Histogram } from "../../../base/metrics.ts";
import type { CommandContext } from "../../../command/context.ts";
import type { Appended, MemberPos } from "../../../message/message_store.ts";
import { fromBase36 } from "../../../protocol/base36.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import type { Target } from "../../../protocol/route.ts";
import { checkTexts, PUSH_SECONDS, pushOf, replyOf, storeTalk, type TalkDeps } from "./talk.ts";

/**
 * chat.group.talk: stores the message for exactly those who are members in the order of the store, and replies once it
 * is durable. Pushes go to the members' channels, of a large group to its rooms at the gateways.
 */
export function groupTalk(deps: TalkDeps) {
  const pushSeconds = deps.metrics.histogram(...PUSH_SECONDS);
  return async (ctx: CommandContext, request: pkt.MessageReq): Promise<pkt.MessageResp> => {
    const dest = ctx.header.dest;
    if (dest === "") throw new ImError("NO_DESTINATION", "Cannot talk: dest is empty");
    if (fromBase36(dest) === undefined) throw new ImError("INVALID_BODY", "Cannot talk: dest is not a group id");
    checkTexts(request);
    const stored = await storeTalk(deps, ctx, request, true);
    ctx.pos = stored.senderPos;
    if (stored.room) ctx.rooms = [{ group: dest, seq: stored.seq }];
    ctx.after(() => deliver(deps, pushSeconds, ctx, request, stored));
    return replyOf(ctx, stored);
  };
}

/** A duplicate is pushed again too, as in user_talk.ts. */
async function deliver(
  deps: TalkDeps,
  pushSeconds: Histogram,
  ctx: CommandContext,
  request: pkt.MessageReq,
  stored: Appended,
): Promise<void> {
  if (deps.afterReply) await deps.afterReply();
  const push = pushOf(ctx.account, request, stored);
  if (stored.room) ctx.dispatchRoom(stored.seq, push);
  else ctx.dispatch(await targetsOf(deps, ctx, stored.fan ?? []), pkt.MessagePush, push);
  pushSeconds.observe((deps.clock.mono() - ctx.arrivedMs) / 1000);
}

/** Where the members are, each with the position the message has for it; without the channel that sent it. */
async function targetsOf(deps: TalkDeps, ctx: CommandContext, fan: readonly MemberPos[]): Promise<Target[]> {
  const positions = new Map(fan.map(({ account, pos }) => [account, pos]));
  const found = await deps.sessions.locate(ctx.app, fan.map((one) => one.account));
  return found.flatMap(({ account, gateId, channelId, content }) =>
    channelId === ctx.channelId
      ? []
      : [{ gateId, channelId, content, pos: positions.get(account) ?? 0, own: account === ctx.account }]
  );
}
