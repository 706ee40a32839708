import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import type { Group, Member } from "../../../message/group_store.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import type { LogicDeps } from "../deps.ts";

/** chat.group.members: for members only, a page in the order they joined. */
export function groupMembers(deps: Pick<LogicDeps, "messages">) {
  return async (ctx: CommandContext, request: pkt.GroupMembersReq): Promise<pkt.GroupMembersResp> => {
    return pageOf(deps, ctx, await groupForMember(deps, ctx, request.groupId), request);
  };
}

/** im.group.members: for whoever answers for all of an app (the HTTP API). */
export function anyGroupMembers(deps: Pick<LogicDeps, "messages">) {
  return async (ctx: CommandContext, request: pkt.GroupMembersReq): Promise<pkt.GroupMembersResp> => {
    return pageOf(deps, ctx, await groupOf(deps, ctx.app, request.groupId), request);
  };
}

async function pageOf(
  deps: Pick<LogicDeps, "messages">,
  { app }: CommandContext,
  { id, memberCount }: Group,
  request: pkt.GroupMembersReq,
): Promise<pkt.GroupMembersResp> {
  const limit = Math.min(request.limit || PAGES.members, PAGES.members);
  const from = request.from === "" ? undefined : request.from;
  const page = await deps.messages.members(app, id, from, limit);
  return { members: page.members.map(memberOf), next: page.next ?? "", memberCount };
}

/** @throws {ImError} INVALID_BODY: no such group. */
export async function groupOf(deps: Pick<LogicDeps, "messages">, app: string, id: string): Promise<Group> {
  const group = await deps.messages.group(app, id);
  if (!group) throw new ImError("INVALID_BODY", "Cannot read group: there is no such group");
  return group;
}

/** @throws {ImError} INVALID_BODY: no such group; UNAUTHORIZED: whoever asks is not in it. */
export async function groupForMember(
  deps: Pick<LogicDeps, "messages">,
  { app, account }: CommandContext,
  id: string,
): Promise<Group> {
  const group = await groupOf(deps, app, id);
  if (!await deps.messages.isMember(app, id, account)) {
    throw new ImError("UNAUTHORIZED", "Cannot read group: only its members may");
  }
  return group;
}

/** A member on the wire. */
export function memberOf({ account, joinTime }: Member): pkt.Member {
  return { account, alias: "", avatar: "", joinTime: BigInt(joinTime) };
}
