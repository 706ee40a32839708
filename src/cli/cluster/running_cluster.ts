import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { sleep, systemClock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import { type ClusterState, stateFile } from "./state_file.ts";

/** What is left of a killed cluster is gone after ten seconds and a bit. */
const LEFT_MS = 20_000;

/** The cluster that runs in this data folder, if any. */
export function runningIn(data: string): ClusterState | undefined {
  const state = stateIn(data);
  return state && isAlive(state.pid, "cluster") ? state : undefined;
}

/**
 * Waits for the processes of a cluster that was killed in this data folder.
 * @throws {ImError} CONFIG: they do not end
 */
export async function leftBehind(data: string, say: (text: string) => void): Promise<void> {
  const left = stateIn(data)?.processes.filter(({ pid, role }) => isAlive(pid, role)) ?? [];
  const alive = (): string => left.filter(({ pid, role }) => isAlive(pid, role)).map(({ pid }) => pid).join(" ");
  if (alive() !== "") say(`waiting for what is left of a cluster that was killed: ${alive()}`);
  for (const untilMs = systemClock.mono() + LEFT_MS; alive() !== "";) {
    if (systemClock.mono() > untilMs) {
      throw new ImError(
        "CONFIG",
        `Cannot start in ${data}: processes of an earlier cluster do not end, kill ${alive()}`,
      );
    }
    await sleep(systemClock, 100);
  }
}

function stateIn(data: string): ClusterState | undefined {
  const file = stateFile(data);
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined; // it is no state
  }
}

/** @param word is in its command; on Linux that is looked at, because the number may be another process's by now. */
function isAlive(pid: number, word: string): boolean {
  try {
    process.kill(pid, 0);
    return !existsSync("/proc/self/cmdline") || readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(word);
  } catch {
    return false; // there is none, or it is somebody else's
  }
}
