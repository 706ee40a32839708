import type { CommandContext } from "../../../command/context.ts";
import type { Group } from "../../../message/group_store.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import type { LogicDeps } from "../deps.ts";
import { groupForMember, groupOf, memberOf } from "./members.ts";

/** chat.group.detail: for members only; at most 500 of them, and how many there are. */
export function groupDetail(deps: Pick<LogicDeps, "messages">) {
  return async (ctx: CommandContext, request: pkt.GroupGetReq): Promise<pkt.GroupGetResp> => {
    const group = await groupForMember(deps, ctx, request.groupId);
    const { members } = await deps.messages.members(ctx.app, group.id, undefined, PAGES.members);
    return detailOf(ctx, group, members.map(memberOf));
  };
}

/** im.group: for whoever answers for all of an app (the HTTP API). */
export function anyGroupDetail(deps: Pick<LogicDeps, "messages">) {
  return async (ctx: CommandContext, request: pkt.GroupGetReq): Promise<pkt.GroupGetResp> => {
    return detailOf(ctx, await groupOf(deps, ctx.app, request.groupId), []);
  };
}

function detailOf({ caps }: CommandContext, group: Group, members: pkt.Member[]): pkt.GroupGetResp {
  return {
    id: group.id,
    name: group.name,
    avatar: group.avatar,
    introduction: group.introduction,
    owner: group.owner,
    members,
    createdAt: BigInt(group.createdAt),
    memberCount: caps ? group.memberCount : 0,
    head: caps ? group.head : 0,
    large: caps && group.largeFrom !== undefined,
  };
}
