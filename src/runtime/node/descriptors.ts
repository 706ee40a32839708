import { readFileSync } from "node:fs";

/**
 * A process that runs out of file descriptors cannot open its database, and its runtime stops accepting for good
 * (Deno) or spins (Bun). So the connections taken stay below the limit: one too many is closed at once.
 */
export class Descriptors {
  readonly limit: number;
  #open = 0;

  constructor(processLimit: number = readLimit()) {
    this.limit = processLimit - Math.max(40, Math.floor(processLimit / 10));
  }

  /** Counts one more connection. False: there is no room. */
  take(): boolean {
    if (this.#open >= this.limit) return false;
    this.#open++;
    return true;
  }

  give(): void {
    this.#open--;
  }
}

/** Descriptors this process may have; Infinity where the system does not say. */
function readLimit(): number {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
    return line ? Number(line[1]) : Infinity;
  } catch {
    return Infinity; // not Linux
  }
}

/** Of this process. */
export const descriptors = new Descriptors();
