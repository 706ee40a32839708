import type { CommandContext } from "../../../command/context.ts";
import { offlineHorizon } from "../../../message/offline_start.ts";
import type { LogicDeps } from "../deps.ts";

/** Rows made for one account in one go: an index page. */
export const ROWS_AT_ONCE = 2_000;

/** Before an old client is told where its inbox ends: its large groups' messages get their rows. */
export async function withRows(
  deps: Pick<LogicDeps, "clock" | "messages">,
  ctx: CommandContext,
  account: string,
  inRooms: boolean,
): Promise<void> {
  if (ctx.caps || !inRooms) return;
  await deps.messages.makeRows(ctx.app, [account], offlineHorizon(deps.clock), ROWS_AT_ONCE);
}
