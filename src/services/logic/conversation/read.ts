import type { CommandContext } from "../../../command/context.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import type { LogicDeps } from "../deps.ts";
import { online } from "../group/members_online.ts";
import { peerOf } from "./history.ts";

/** chat.read: moves the account's read position of a conversation; its other devices that are ours are told. */
export function read(deps: Pick<LogicDeps, "messages" | "sessions">) {
  return async (ctx: CommandContext, request: pkt.ReadReq): Promise<pkt.ReadResp> => {
    const { group, seq: asked } = request;
    const seq = await deps.messages.setRead(ctx.app, ctx.account, peerOf(ctx, group), asked);
    ctx.after(async () => {
      ctx.dispatch(await online(deps, ctx, [ctx.account], true), pkt.ReadReq, { group, seq });
    });
    return { seq };
  };
}
