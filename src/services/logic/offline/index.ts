import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import { offlineStart } from "../../../message/offline_start.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import type { LogicDeps } from "../deps.ts";
import { makeOldRows } from "../room/old_rows.ts";

/**
 * chat.offline.index: the rows received after message M, a page at a time, strictly by position, so that paging makes
 * progress and loses nothing at a border. M = 0 starts at the device's read position; any other M acknowledges.
 * The reply's position is how far the inbox was looked at. Source: proto/WIRE.md "Offline synchronisation".
 */
export function offlineIndex(deps: Pick<LogicDeps, "messages" | "batcher" | "clock">) {
  return async (ctx: CommandContext, request: pkt.MessageIndexReq): Promise<pkt.MessageIndexResp> => {
    if (request.messageId < 0n) throw new ImError("INVALID_BODY", "Cannot list messages: message id is negative");
    const ack = deps.batcher.ack.bind(deps.batcher);
    const { app, account, device } = ctx;
    let more = !ctx.caps && await makeOldRows(deps, app, account);
    const start = await offlineStart({ ...deps, ack }, app, account, device, request.messageId);
    const range = { ...start, direction: 0, limit: PAGES.indexes } as const;
    let page = await deps.messages.entries(app, account, range);
    // An empty page ends the client's paging: it says that nothing is left, not that all rows so far are its own.
    while (page.rows.length === 0 && more) {
      more = await makeOldRows(deps, app, account);
      page = await deps.messages.entries(app, account, range);
    }
    ctx.pos = page.scannedTo;
    return {
      indexes: page.rows.map((row) => ({
        messageId: row.messageId,
        direction: row.direction,
        sendTime: row.sendTime,
        accountB: row.peer,
        group: row.group,
      })),
    };
  };
}
