import process from "node:process";
import { ImError } from "../base/errors.ts";
import { type Clock, sleep } from "../base/clock.ts";

/** Long enough for a reply that was handed to a connection to have left the process. */
const REPLY_LEAVES_MS = 50;

export interface Faults {
  /** For the message store (message/sqlite/faults.ts). */
  readonly store: string | undefined;
  /** For the logic server: runs between the reply and the push of each stored talk. */
  readonly afterReply: (() => Promise<void>) | undefined;
}

/**
 * Reads `PETREL_FAULT`, which makes the process fail at a named point; for crash tests. `after-reply=kill@n` kills it
 * after the n-th reply to a talk has left and before its push; everything else is the store's. "" orders nothing yet:
 * failures of the store can be injected later.
 * @throws {ImError} CONFIG: no such point.
 */
export function readFaults(text: string | undefined, clock: Clock): Faults {
  if (text === undefined) return { store: undefined, afterReply: undefined };
  const parts = text.split(",").filter((part) => part !== "");
  const store = parts.filter((part) => !part.startsWith("after-reply="));
  const mine = parts.find((part) => part.startsWith("after-reply="));
  if (!mine) return { store: store.join(","), afterReply: undefined };
  const match = /^after-reply=kill(?:@([1-9]\d*))?$/.exec(mine);
  if (!match) throw new ImError("CONFIG", `Cannot read PETREL_FAULT: ${mine} is not after-reply=kill@N`);
  let left = Number(match[1] ?? 1);
  const afterReply = async (): Promise<void> => {
    if (--left > 0) return;
    // From here on nothing is pushed any more: every delivery waits until the process dies.
    if (left === 0) clock.after(REPLY_LEAVES_MS, () => process.kill(process.pid, "SIGKILL"));
    await sleep(clock, 60_000);
  };
  return { store: store.length > 0 ? store.join(",") : undefined, afterReply };
}
