import process from "node:process";
import { systemClock } from "../base/clock.ts";

/** A terminal's Ctrl-C may arrive twice at once, from the terminal and from the package runner. */
const ECHO_MS = 500;

/** The first signal asks for a graceful stop, a later one ends the process at once. */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let askedMs: number | undefined;
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      process.on(name, () => {
        if (askedMs !== undefined && systemClock.mono() - askedMs > ECHO_MS) process.exit(130);
        askedMs ??= systemClock.mono();
        resolve();
      });
    }
  });
}
