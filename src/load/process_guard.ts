import { spawn } from "node:child_process";
import process from "node:process";

export interface GuardOptions {
  /** What it is sent. Default: SIGKILL. */
  readonly signal?: "SIGKILL" | "SIGTERM";
  /** It leads a process group: all of that is ended. Default: the process alone. */
  readonly isGroup?: boolean;
}

/**
 * Ends that process when this one is gone, however it ended: nobody tells of a kill, and some runtimes not even of an exit.
 * Looks once a second, and ends with either.
 */
export function guardProcess(pid: number, { signal = "SIGKILL", isGroup = false }: GuardOptions = {}): void {
  const script = 'while kill -0 "$1" && kill -0 "$2"; do sleep 1; done; kill "-$3" "$2"';
  const args = [`${process.pid}`, `${isGroup ? -pid : pid}`, signal.slice("SIG".length)];
  spawn("sh", ["-c", script, "guard", ...args], { stdio: "ignore", detached: true }).unref();
}
