import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import { offlineHorizon } from "../../../message/offline_start.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import { historyPage } from "../conversation/history.ts";
import type { LogicDeps } from "../deps.ts";
import { ROWS_AT_ONCE } from "./old_rows.ts";

/** im.room.fill: messages of a large group that a gateway lacks. */
export function roomFill(deps: Pick<LogicDeps, "clock" | "messages">) {
  return async (ctx: CommandContext, request: pkt.RoomFillReq): Promise<pkt.HistoryResp> => {
    if (deps.clock.mono() > ctx.startBy) throw new ImError("BUSY", "Cannot fill: nobody waits for it any more");
    const { app, groupId, after } = request;
    const limit = Math.min(request.limit || PAGES.sync, PAGES.sync);
    return historyPage(groupId, true, false, await deps.messages.roomMessages(app, groupId, after, limit));
  };
}

/** im.room.heads: the last seqs of rooms. */
export function roomHeads(deps: Pick<LogicDeps, "messages">) {
  return async (_ctx: CommandContext, request: pkt.RoomHeadsReq): Promise<pkt.RoomHeadsResp> => {
    const heads = new Array<number>(request.items.length).fill(0);
    const apps = new Set(request.items.map((item) => item.app));
    for (const app of apps) {
      const places = request.items.flatMap((item, at) => item.app === app ? [at] : []);
      const found = await deps.messages.roomHeads(app, places.map((at) => request.items[at]!.groupId));
      found.forEach((head, i) => heads[places[i]!] = head);
    }
    return { heads };
  };
}

/** im.room.rows: inbox rows for old clients' accounts. */
export function roomRows(deps: Pick<LogicDeps, "clock" | "messages">) {
  return async (ctx: CommandContext, request: pkt.RoomRowsReq): Promise<pkt.RoomRowsResp> => {
    if (deps.clock.mono() > ctx.startBy) throw new ImError("BUSY", "Cannot make rows: nobody waits for them any more");
    const { app, accounts } = request;
    const made = await deps.messages.makeRows(app, accounts, offlineHorizon(deps.clock), ROWS_AT_ONCE);
    return {
      heads: made.map((one) => one.head),
      rows: made.flatMap(({ rows }, at) =>
        rows.map(({ group, seq, pos }) => ({ account: at, groupId: group, seq, pos }))
      ),
    };
  };
}
