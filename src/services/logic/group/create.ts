import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { GROUP_TEXT } from "../../../protocol/limits.ts";
import { codePoints, isName } from "../../../protocol/names.ts";
import type { LogicDeps } from "../deps.ts";
import { online, tellRooms } from "./members_online.ts";

/** chat.group.create: whoever asks is the owner and a member. Members who are online are told. */
export function createGroup(deps: Pick<LogicDeps, "messages" | "sessions">) {
  return async (ctx: CommandContext, request: pkt.GroupCreateReq): Promise<pkt.GroupCreateResp> => {
    const { app, account: owner, key, startBy, again } = ctx;
    const { name, avatar, introduction } = request;
    for (const field of ["name", "avatar", "introduction"] as const) {
      const most = GROUP_TEXT[field];
      if (codePoints(request[field], most) <= most) continue;
      throw new ImError("INVALID_BODY", `Cannot create group: ${field} is longer than ${most} characters`);
    }
    if (!request.members.every(isName)) {
      throw new ImError("INVALID_BODY", "Cannot create group: a member is not a legal account name");
    }
    const group = await deps.messages.createGroup({
      app,
      owner,
      name,
      avatar,
      introduction,
      members: request.members,
      key,
      startBy,
      again,
    });
    ctx.after(async () => {
      const made = await deps.messages.group(app, group.id);
      if (made?.largeFrom !== undefined) {
        await tellRooms(deps, ctx, group.members, { app, groupId: group.id, seq: made.largeFrom });
      }
      const notice = { groupId: group.id, members: [...group.members] };
      ctx.dispatch(await online(deps, ctx, group.members, false), pkt.GroupCreateNotify, notice);
    });
    return { groupId: group.id };
  };
}
