import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { isName } from "../../../protocol/names.ts";
import type { LogicDeps } from "../deps.ts";
import { changeRooms, everyMember, online } from "./members_online.ts";

/** chat.group.quit: the owner removes anyone, anybody leaves. Leaving twice is fine. */
export function quitGroup(deps: Pick<LogicDeps, "messages" | "sessions">) {
  return async (ctx: CommandContext, request: pkt.GroupQuitReq): Promise<Record<string, never>> => {
    const { app, account: by, startBy } = ctx;
    const { account, groupId } = request;
    if (!isName(account)) throw new ImError("INVALID_BODY", "Cannot leave group: account is not a legal name");
    const { changed, seq, large } = await deps.messages.quit({ app, group: groupId, accounts: [account], by, startBy });
    if (changed.length > 0) {
      ctx.after(async () => {
        if (large) await changeRooms(deps, ctx, changed, { app, groupId, joined: false, seq });
        const told = large ? changed : [...changed, ...await everyMember(deps, app, groupId)];
        ctx.dispatch(await online(deps, ctx, told, true), pkt.GroupQuitNotify, { groupId, account });
      });
    }
    return {};
  };
}
