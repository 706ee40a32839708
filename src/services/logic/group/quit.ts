import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { isName } from "../../../protocol/names.ts";
import type { LogicDeps } from "../deps.ts";
import { changeRooms, everyMember, online, roomTargets, tellNow } from "./members_online.ts";
import { inTurn } from "./turns.ts";

/** chat.group.quit: the owner removes anyone, anybody leaves. Leaving twice is fine. */
export function quitGroup(deps: Pick<LogicDeps, "messages" | "sessions">) {
  return async (ctx: CommandContext, request: pkt.GroupQuitReq): Promise<Record<string, never>> => {
    const { app, account: by, key, startBy, again } = ctx;
    const { account, groupId } = request;
    if (!isName(account)) throw new ImError("INVALID_BODY", "Cannot leave group: account is not a legal name");
    const { changed, seq, large } = await inTurn(deps.messages, { app, groupId, account }, async () => {
      // Looked up before, so that gateways hear of it ahead of every message that is not the account's any more.
      const channels = await roomTargets(deps, app, [account]).catch(() => []);
      const left = await deps.messages.quit({ app, group: groupId, accounts: [account], by, key, startBy, again });
      if (!left.large || left.changed.length === 0) return left;
      const change = { app, groupId, joined: false, seq: left.seq };
      changeRooms(ctx, channels, change);
      const known = new Set(channels.map((one) => one.channelId));
      await tellNow(deps, ctx, account, change, async () => {
        const late = (await roomTargets(deps, app, [account])).filter((one) => !known.has(one.channelId));
        changeRooms(ctx, late, change); // those that logged in meanwhile
      });
      return left;
    });
    if (changed.length === 0 && large) {
      // The first time may have been cut short before they heard of it; since then the account may have come back.
      await tellNow(deps, ctx, account, { app, groupId, joined: false, seq });
    } else if (changed.length > 0) {
      ctx.after(async () => {
        const told = large ? changed : [...changed, ...await everyMember(deps, app, groupId)];
        ctx.dispatch(await online(deps, ctx, told, true), pkt.GroupQuitNotify, { groupId, account });
      });
    }
    return {};
  };
}
