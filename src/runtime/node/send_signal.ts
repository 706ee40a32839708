import type { ChildProcess } from "node:child_process";
import process from "node:process";

/** Sends a child a signal, also after another one, which Deno's `child.kill` does not. One that has ended gets none. */
export function sendSignal(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(child.pid, signal);
  } catch {
    // it has just ended
  }
}
