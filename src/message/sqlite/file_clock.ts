import { readFileSync } from "node:fs";
import type { Clock } from "../../base/clock.ts";

/** How often the file is looked at, in ms. */
const LOOK_MS = 50;

/**
 * For tests: the clock of a machine whose time is set while a process runs. `faults` with `clock=FILE` among its parts
 * shifts the wall clock by the milliseconds written in that file, which may change at any time; while the file says
 * nothing that is a number the shift stays what it was. Durations and timers are untouched. Without such a part: `clock`.
 */
export function fileClock(clock: Clock, faults: string | undefined): Clock {
  const file = faults?.split(",").find((part) => part.startsWith(CLOCK_FAULT))?.slice(CLOCK_FAULT.length);
  if (file === undefined) return clock;
  let shiftMs = 0;
  let lookedMs = -Infinity;
  return {
    now() {
      if (clock.mono() - lookedMs >= LOOK_MS) {
        lookedMs = clock.mono();
        shiftMs = readShift(file) ?? shiftMs;
      }
      return clock.now() + shiftMs;
    },
    mono: () => clock.mono(),
    after: (ms, run) => clock.after(ms, run),
    every: (ms, run) => clock.every(ms, run),
    endOfTick: (run) => clock.endOfTick(run),
  };
}

/** What the part of a fault text that names the file begins with. */
export const CLOCK_FAULT = "clock=";

function readShift(file: string): number | undefined {
  try {
    const text = readFileSync(file, "utf8").trim();
    return text !== "" && Number.isFinite(Number(text)) ? Number(text) : undefined;
  } catch {
    return undefined; // not there yet, or just being replaced
  }
}
