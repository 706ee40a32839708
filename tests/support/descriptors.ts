import { existsSync, readdirSync } from "node:fs";

const OPEN_FILES = "/proc/self/fd";
const TRIES = 40;

/**
 * Open files and sockets of this process, 0 where the system does not tell. Runtimes let go of some a moment later: waits
 * for that up to 2 s.
 */
export async function descriptors(atMost = 0): Promise<number> {
  if (!existsSync(OPEN_FILES)) return 0;
  for (let tries = 0;; tries++) {
    const now = readdirSync(OPEN_FILES).length;
    if (now <= atMost || tries === TRIES) return now;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** How many more are open than there were `before`. */
export async function leaked(before: number): Promise<number> {
  return Math.max(0, await descriptors(before) - before);
}
