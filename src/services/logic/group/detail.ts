import type { CommandContext } from "../../../command/context.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import type { LogicDeps } from "../deps.ts";
import { groupForMember, memberOf } from "./members.ts";

/** chat.group.detail: for members only; at most 500 of them, and how many there are. */
export function groupDetail(deps: Pick<LogicDeps, "messages">) {
  return async (ctx: CommandContext, request: pkt.GroupGetReq): Promise<pkt.GroupGetResp> => {
    const group = await groupForMember(deps, ctx, request.groupId);
    const { members } = await deps.messages.members(ctx.app, group.id, undefined, PAGES.members);
    return {
      id: group.id,
      name: group.name,
      avatar: group.avatar,
      introduction: group.introduction,
      owner: group.owner,
      members: members.map(memberOf),
      createdAt: BigInt(group.createdAt),
      memberCount: ctx.caps ? group.memberCount : 0,
      head: ctx.caps ? group.head : 0,
      large: ctx.caps && group.largeFrom !== undefined,
    };
  };
}
