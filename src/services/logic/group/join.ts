import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { isName } from "../../../protocol/names.ts";
import type { LogicDeps } from "../deps.ts";
import { changeRoomsLate, everyMember, online } from "./members_online.ts";

/** chat.group.join: a member adds anyone, anybody adds themselves. Joining twice is fine. */
export function joinGroup(deps: Pick<LogicDeps, "messages" | "sessions">) {
  return async (ctx: CommandContext, request: pkt.GroupJoinReq): Promise<Record<string, never>> => {
    const { app, account: by, startBy } = ctx;
    const { account, groupId } = request;
    if (!isName(account)) throw new ImError("INVALID_BODY", "Cannot join group: account is not a legal name");
    const { changed, seq, large, becameLarge } = await deps.messages.join({
      app,
      group: groupId,
      accounts: [account],
      by,
      startBy,
    });
    if (changed.length > 0 || large) {
      ctx.after(async () => {
        const everyone = !large || becameLarge ? await everyMember(deps, app, groupId) : [account];
        // Also when nothing changed: the first time may have been cut short before the gateways heard of it.
        if (large) await changeRoomsLate(deps, ctx, everyone, { app, groupId, joined: true, seq });
        if (changed.length === 0) return;
        ctx.dispatch(await online(deps, ctx, everyone, true), pkt.GroupJoinNotify, { groupId, account });
      });
    }
    return {};
  };
}
