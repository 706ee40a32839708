import { readFileSync } from "node:fs";

/**
 * A process that runs out of file descriptors cannot open its database, and its runtime stops accepting for good
 * (Deno) or spins (Bun). So the connections taken stay below the limit: one too many is closed at once.
 */
export class Descriptors {
  /** So many connections are taken. */
  readonly limit: number;
  #open = 0;
  #waiting: (() => void)[] = [];

  constructor(processLimit: number = readLimit()) {
    this.limit = processLimit - Math.max(40, Math.floor(processLimit / 10));
  }

  /** Counts one more connection. False: there is no room. */
  take(): boolean {
    if (this.#open >= this.limit) return false;
    this.#open++;
    return true;
  }

  /** One has ended. */
  give(): void {
    this.#open--;
    if (this.#waiting.length === 0 || this.#open > this.limit - Math.max(1, this.limit / 20)) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const run of waiting) run();
  }

  /** Runs once when there is room again, after there was none: a twentieth, so that it is worth it. */
  whenRoom(run: () => void): void {
    this.#waiting.push(run);
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
