import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { isName } from "../../../protocol/names.ts";
import type { LogicDeps } from "../deps.ts";
import { changeRooms, everyMember, online, roomTargets, tellNow, tellRooms } from "./members_online.ts";
import { inTurn } from "./turns.ts";

/** chat.group.join: a member adds anyone, anybody adds themselves. Joining twice is fine. */
export function joinGroup(deps: Pick<LogicDeps, "messages" | "sessions">) {
  return async (ctx: CommandContext, request: pkt.GroupJoinReq): Promise<Record<string, never>> => {
    const { app, account: by, key, startBy, again } = ctx;
    const { account, groupId } = request;
    if (!isName(account)) throw new ImError("INVALID_BODY", "Cannot join group: account is not a legal name");
    const { changed, seq, large, becameLarge } = await inTurn(deps.messages, { app, groupId, account }, async () => {
      const joined = await deps.messages.join({ app, group: groupId, accounts: [account], by, key, startBy, again });
      if (joined.large && joined.changed.length > 0) {
        const change = { app, groupId, joined: true, seq: joined.seq };
        await tellNow(deps, ctx, account, change, async () => {
          changeRooms(ctx, await roomTargets(deps, app, [account]), change);
        });
      }
      return joined;
    });
    if (changed.length > 0 || large) {
      ctx.after(async () => {
        const everyone = !large || becameLarge ? await everyMember(deps, app, groupId) : [account];
        // Also when nothing changed: the first time may have been cut short before the gateways heard of it.
        if (becameLarge) await tellRooms(deps, ctx, everyone, { app, groupId, seq });
        else if (large && changed.length === 0) await tellRooms(deps, ctx, everyone, { app, groupId, seq: 0 });
        if (changed.length === 0) return;
        ctx.dispatch(await online(deps, ctx, everyone, true), pkt.GroupJoinNotify, { groupId, account });
      });
    }
    return {};
  };
}
