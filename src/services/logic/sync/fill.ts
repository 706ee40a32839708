import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import type { LogicDeps } from "../deps.ts";
import { syncPage } from "./page.ts";

/** im.fill: a gateway fetches positions that a channel of its lacks. */
export function fill(deps: Pick<LogicDeps, "clock" | "messages">) {
  return async (ctx: CommandContext, request: pkt.FillReq): Promise<pkt.SyncResp> => {
    const { app, account, after, upTo } = request;
    if (app === "" || account === "") throw new ImError("INVALID_BODY", "Cannot fill: app or account is empty");
    if (deps.clock.mono() > ctx.startBy) throw new ImError("BUSY", "Cannot fill: nobody waits for it any more");
    const limit = Math.min(request.limit || PAGES.sync, PAGES.sync);
    return syncPage(account, await deps.messages.messages(app, account, { after, upTo, limit }));
  };
}
