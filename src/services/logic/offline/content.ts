import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import type { LogicDeps } from "../deps.ts";

/**
 * chat.offline.content: one entry per id, in the order asked for. An id that is unknown, or whose message the account
 * neither sent nor received, gives an entry with that id and nothing in it, so that positions stay right.
 */
export function offlineContent(deps: Pick<LogicDeps, "messages">) {
  return async (ctx: CommandContext, request: pkt.MessageContentReq): Promise<pkt.MessageContentResp> => {
    const ids = request.messageIds;
    if (ids.length === 0) throw new ImError("INVALID_BODY", "Cannot read messages: no ids");
    if (ids.length > PAGES.contents) {
      throw new ImError("INVALID_BODY", `Cannot read messages: ${ids.length} ids, limit is ${PAGES.contents}`);
    }
    if (ids.some((id) => id < 0n)) throw new ImError("INVALID_BODY", "Cannot read messages: an id is negative");
    const found = await deps.messages.contents(ctx.app, ctx.account, ids);
    return {
      contents: found.map((one, at) => one ?? { messageId: ids[at]!, type: 0, body: "", extra: "" }),
    };
  };
}
