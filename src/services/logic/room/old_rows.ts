import { offlineHorizon } from "../../../message/offline_start.ts";
import type { LogicDeps } from "../deps.ts";

/** Rows made for one account in one go: an index page. */
export const ROWS_AT_ONCE = 2_000;

/**
 * Before an old client is told where its inbox ends: the messages of its large groups get their rows, those of groups
 * that it has left since included. Gives whether there may be more of them.
 */
export async function makeOldRows(
  deps: Pick<LogicDeps, "clock" | "messages">,
  app: string,
  account: string,
): Promise<boolean> {
  try {
    const [made] = await deps.messages.makeRows(app, [account], offlineHorizon(deps.clock), ROWS_AT_ONCE);
    return (made?.rows.length ?? 0) >= ROWS_AT_ONCE;
  } catch {
    return false; // nothing can be written now; rows made later have higher positions: what is told now has no hole
  }
}
