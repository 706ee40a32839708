import process from "node:process";
import { ImError } from "../base/errors.ts";
import { type Clock, sleep } from "../base/clock.ts";
import { fileClock } from "../message/sqlite/file_clock.ts";

/** Long enough for a reply that was handed to a connection to have left the process. */
const REPLY_LEAVES_MS = 50;

export interface Faults {
  /** For the message store (message/sqlite/faults.ts). */
  readonly store: string | undefined;
  /** For the logic server: runs between the reply and the push of each stored talk. */
  readonly afterReply: (() => Promise<void>) | undefined;
  /** The clock that the whole process goes by. */
  readonly clock: Clock;
}

/**
 * Reads `PETREL_FAULT`, which makes the process fail at a named point; for crash tests. `after-reply=kill@n` kills it
 * after the n-th reply to a talk has left and before its push. `clock=FILE` shifts the process's wall clock by the number
 * of ms in that file, whenever it changes. Everything else is the store's. "" orders nothing yet: failures of the store
 * can be injected later.
 * @throws {ImError} CONFIG: no such point.
 */
export function readFaults(text: string | undefined, clock: Clock): Faults {
  if (text === undefined) return { store: undefined, afterReply: undefined, clock };
  const parts = text.split(",").filter((part) => part !== "");
  const store = parts.filter((part) => !part.startsWith("after-reply="));
  const mine = parts.find((part) => part.startsWith("after-reply="));
  const shifted = fileClock(clock, text);
  if (!mine) return { store: store.join(","), afterReply: undefined, clock: shifted };
  const match = /^after-reply=kill(?:@([1-9]\d*))?$/.exec(mine);
  if (!match) throw new ImError("CONFIG", `Cannot read PETREL_FAULT: ${mine} is not after-reply=kill@N`);
  let left = Number(match[1] ?? 1);
  const afterReply = async (): Promise<void> => {
    if (--left > 0) return;
    // From here on nothing is pushed any more: every delivery waits until the process dies.
    if (left === 0) clock.after(REPLY_LEAVES_MS, () => process.kill(process.pid, "SIGKILL"));
    await sleep(clock, 60_000);
  };
  return { store: store.length > 0 ? store.join(",") : undefined, afterReply, clock: shifted };
}
