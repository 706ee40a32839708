import type { CommandContext } from "../../../command/context.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import type { LogicDeps } from "../deps.ts";
import { syncPage } from "./page.ts";

/** chat.sync: the account's inbox after a position, whole messages, a page at a time. `scanned_to` starts the next. */
export function sync(deps: Pick<LogicDeps, "messages">) {
  return async (ctx: CommandContext, request: pkt.SyncReq): Promise<pkt.SyncResp> => {
    const limit = Math.min(request.limit || PAGES.sync, PAGES.sync);
    const range = { after: request.after, limit, ...(request.upTo > 0 ? { upTo: request.upTo } : {}) };
    return syncPage(ctx.account, await deps.messages.messages(ctx.app, ctx.account, range));
  };
}
