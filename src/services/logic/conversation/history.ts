import type { CommandContext } from "../../../command/context.ts";
import type { HistoryPage, Peer } from "../../../message/conversation_store.ts";
import { ImError } from "../../../base/errors.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import { isName } from "../../../protocol/names.ts";
import type { LogicDeps } from "../deps.ts";
import { fitting, messageOf } from "../sync/page.ts";

/** chat.history: a page of the conversation with dest, upwards from `after` or downwards from `before`. */
export function history(deps: Pick<LogicDeps, "messages">) {
  return async (ctx: CommandContext, request: pkt.HistoryReq): Promise<pkt.HistoryResp> => {
    const peer = peerOf(ctx, request.group);
    const limit = Math.min(request.limit || PAGES.sync, PAGES.sync);
    const down = request.before > 0;
    const range = down ? { before: request.before, limit } : { after: request.after, limit };
    return historyPage(
      ctx.header.dest,
      request.group,
      down,
      await deps.messages.history(ctx.app, ctx.account, peer, range),
    );
  };
}

/** The conversation that a request is about. @throws {ImError} NO_DESTINATION, INVALID_BODY */
export function peerOf({ header: { dest } }: CommandContext, group: boolean): Peer {
  if (dest === "") throw new ImError("NO_DESTINATION", "Cannot read a conversation: dest is empty");
  if (!group && !isName(dest)) {
    throw new ImError("INVALID_BODY", "Cannot read a conversation: dest is not a legal account name");
  }
  return group ? { group: dest } : { account: dest };
}

/** A page as HistoryResp, cut to what fits where the client goes on from: at its end, or downwards at its beginning. */
export function historyPage(dest: string, group: boolean, down: boolean, page: HistoryPage): pkt.HistoryResp {
  const rows = fitting(down ? [...page.rows].reverse() : page.rows);
  const messages = rows.map((row) => messageOf(dest, group, row));
  return { messages: down ? messages.reverse() : messages, first: page.first, head: page.head };
}
