import type { Clock } from "../../../base/clock.ts";
import { ImError } from "../../../base/errors.ts";
import type { CommandContext } from "../../../command/context.ts";
import type { InboxRange } from "../../../message/message_store.ts";
import type * as pkt from "../../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../../protocol/limits.ts";
import type { LogicDeps } from "../deps.ts";

const DAY_MS = 24 * 3600_000;
const HORIZON_MS = 15 * DAY_MS;

/**
 * chat.offline.index: the rows received after message M, a page at a time, strictly by position, so that paging makes
 * progress and loses nothing at a border. M = 0 starts at the device's read position; any other M acknowledges.
 * The reply's position is how far the inbox was looked at. Source: proto/WIRE.md "Offline synchronisation".
 */
export function offlineIndex(deps: Pick<LogicDeps, "messages" | "batcher" | "clock">) {
  return async (ctx: CommandContext, request: pkt.MessageIndexReq): Promise<pkt.MessageIndexResp> => {
    if (request.messageId < 0n) throw new ImError("INVALID_BODY", "Cannot list messages: message id is negative");
    const range = await startOf(deps, ctx, request.messageId);
    const page = await deps.messages.entries(ctx.app, ctx.account, { ...range, direction: 0, limit: PAGES.indexes });
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

async function startOf(
  deps: Pick<LogicDeps, "messages" | "batcher" | "clock">,
  ctx: CommandContext,
  messageId: bigint,
): Promise<Pick<InboxRange, "after" | "since">> {
  const { app, account, device } = ctx;
  if (messageId === 0n) {
    return { after: await deps.messages.acked(app, account, device), since: ago(deps.clock, HORIZON_MS) };
  }
  const after = await deps.messages.position(app, account, messageId);
  if (after === undefined) return { after: 0, since: ago(deps.clock, DAY_MS) };
  try {
    await deps.batcher.ack(app, account, device, after);
  } catch {
    // What cannot be written now does not keep the client from reading: it will see these rows once more.
  }
  return { after, since: ago(deps.clock, HORIZON_MS) };
}

/** Unix nanoseconds, that many ms before now. */
function ago(clock: Clock, ms: number): bigint {
  return BigInt(Math.max(0, Math.floor(clock.now() - ms))) * 1_000_000n;
}
