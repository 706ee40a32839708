import type { CommandContext } from "../../../command/context.ts";
import type { Conversation } from "../../../message/conversation_store.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import type { LogicDeps } from "../deps.ts";
import { messageOf } from "../sync/page.ts";

/** chat.conversations: the account's conversations, latest activity first, a page at a time. */
export function conversations(deps: Pick<LogicDeps, "messages">) {
  return async (ctx: CommandContext, request: pkt.ConversationsReq): Promise<pkt.ConversationsResp> => {
    const limit = Math.min(request.limit || PAGES.conversations, PAGES.conversations);
    const from = request.from === "" ? undefined : request.from;
    const page = await deps.messages.conversations(ctx.app, ctx.account, from, limit);
    return { conversations: page.conversations.map(lineOf), next: page.next ?? "" };
  };
}

function lineOf({ peer, head, last, read, unread, group }: Conversation): pkt.Conversation {
  const inGroup = "group" in peer;
  const dest = inGroup ? peer.group : peer.account;
  return {
    dest,
    group: inGroup,
    head,
    ...(last ? { last: messageOf(dest, inGroup, last) } : undefined),
    read,
    unread,
    name: group?.name ?? "",
    avatar: group?.avatar ?? "",
    memberCount: group?.memberCount ?? 0,
    large: group?.largeFrom !== undefined,
  };
}
