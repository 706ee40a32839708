import type { StatementSync } from "node:sqlite";
import { big } from "./rows.ts";

/** SQL for the row of a log at a position, or the nearest before it. */
export const NEAREST = "SELECT send_time FROM entries WHERE log = ? AND pos <= ? ORDER BY pos DESC LIMIT 1";

/**
 * The last position in (after, upTo] of a row that was made before `since` (Unix ns), else `after`: times of a log grow
 * with positions. A position without a row counts as before.
 * @param nearest of NEAREST, reads big integers.
 */
export function lastBefore(nearest: StatementSync, log: number, since: bigint, after: number, upTo: number): number {
  let below = after, above = upTo + 1;
  while (above - below > 1) {
    const middle = Math.floor((below + above) / 2);
    const row = nearest.get(log, middle);
    if (!row || big(row, "send_time") < since) below = middle;
    else above = middle;
  }
  return Math.max(after, below);
}
