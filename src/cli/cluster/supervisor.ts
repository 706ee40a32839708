import { spawn } from "node:child_process";
import process from "node:process";
import { toBase36 } from "../../protocol/base36.ts";
import { ImError, reasonOf } from "../../base/errors.ts";
import type { ClusterLines } from "./lines.ts";
import type { Place } from "./plan.ts";
import { Slot } from "./slot.ts";
import { environmentFile, pidFile, removeState, stateFile, writeState } from "./state_file.ts";

export interface SupervisorOptions {
  readonly data: string;
  readonly places: readonly Place[];
  readonly lines: ClusterLines;
  /** For so long a process may answer nothing before it is ended, and started again; 0: for ever. */
  readonly silenceMs: number;
  readonly randomBytes: (count: number) => Uint8Array;
}

/** The name of what the supervisor says itself. */
export const OURS = "cluster";
const ID_LETTERS = 6;

/** Starts, watches, replaces and stops the processes of a cluster. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: readonly Slot[];
  #rolling: Promise<void> | undefined;
  #isUp = false;
  /** The state file does not say what runs. */
  #isUnwritten = false;
  #stopping = false;

  constructor(options: SupervisorOptions) {
    const { places, lines, silenceMs, randomBytes, data } = options;
    this.#options = options;
    this.#slots = places.map((place) =>
      new Slot(place, () => `${place.name}-${shortName(randomBytes)}`, silenceMs, {
        line: (name, text) => lines.line(name, text),
        changed: () => this.#changed(),
      })
    );
    // However this process ends: nothing is left behind.
    process.on("exit", () => this.#slots.forEach((slot) => slot.kill()));
    guard(pidFile(data), stateFile(data), environmentFile(data));
  }

  /** Stage by stage; those of a stage together. @throws {ImError} CONFIG: one did not start. The rest is to be stopped. */
  async start(): Promise<void> {
    for (const stage of this.#stages()) {
      const done = await Promise.allSettled(stage.map((slot) => slot.start()));
      const failed = done.find((one) => one.status === "rejected");
      if (failed) throw ImError.from(failed.reason, "Cannot start the cluster");
      if (this.#stopping) return;
    }
    this.#isUp = true;
  }

  /** Every role anew, one process after the other, the gateways together. While one is under way, asking again changes nothing. */
  roll(): Promise<void> {
    return this.#rolling ??= this.#roll().finally(() => this.#rolling = undefined);
  }

  /** In the order opposite to the start's. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const stage of this.#stages().reverse()) await Promise.all(stage.map((slot) => slot.stop()));
    removeState(this.#options.data);
  }

  async #roll(): Promise<void> {
    const { lines } = this.#options;
    if (!this.#isUp) return lines.line(OURS, "not restarting: the start is under way");
    lines.line(OURS, "restarting every process, one after the other, the gateways together");
    const rolling = this.#slots.filter(({ place }) => place.rolls);
    // A client that leaves a gateway would else land on one that is next, and leave again.
    const groups = Map.groupBy(rolling, ({ place }) => place.role === "gateway" ? place.role : place.name);
    for (const slots of groups.values()) {
      if (this.#stopping) return;
      try {
        await replaceTogether(slots);
      } catch (thrown) {
        lines.line(OURS, `${ImError.from(thrown).message}\nThe restart ends here: what ran before goes on`);
        return;
      }
    }
    lines.line(OURS, "every process was restarted");
  }

  #stages(): Slot[][] {
    const stages: Slot[][] = [];
    for (const slot of this.#slots) (stages[slot.place.stage] ??= []).push(slot);
    return stages.filter((stage) => stage !== undefined);
  }

  /** A disk that is full is no reason to end. */
  #changed(): void {
    if (this.#stopping) return;
    const { data, lines } = this.#options;
    try {
      writeState(data, this.#slots);
      this.#isUnwritten = false;
    } catch (thrown) {
      const why = reasonOf(thrown);
      if (!this.#isUnwritten) lines.line(OURS, `what runs cannot be written down: ${why}`);
      this.#isUnwritten = true;
    }
  }
}

/** One starts after the other; when all are ready, the old ones stop. @throws {ImError} CONFIG: the rest goes on as it was. */
async function replaceTogether(slots: readonly Slot[]): Promise<void> {
  const stops: (() => Promise<void>)[] = [];
  try {
    for (const slot of slots) stops.push(await slot.replace());
  } finally {
    await Promise.all(stops.map((stop) => stop()));
  }
}

/** A few letters and digits that no other run has. */
function shortName(randomBytes: (count: number) => Uint8Array): string {
  let number = 0n;
  for (const byte of randomBytes(8)) number = number << 8n | BigInt(byte);
  return toBase36(number >> 1n).padStart(ID_LETTERS, "0").slice(-ID_LETTERS);
}

/**
 * When this process was killed: asks the others to stop, looking once a second, and ends. The files of a cluster that began
 * meanwhile stay. Who runs is remembered: the folder may be removed together with us.
 */
function guard(...files: readonly [pids: string, state: string, environment: string]): void {
  const script = [
    'while kill -0 "$1"; do [ -f "$2" ] && read -r all < "$2"; sleep 1; done',
    'if [ -f "$2" ]; then read -r all < "$2"; elif [ -d "${2%/*}" ]; then exit; fi; kill $all; n=0',
    'while [ $n -lt 10 ] && for p in $all; do kill -0 "$p" && break; done; do sleep 1; n=$((n+1)); done',
    'kill -9 $all; rm -f "$2"; if grep -q "^  \\"pid\\": $1,$" "$3"; then rm -f "$3" "$4"; fi',
  ].join("; ");
  spawn("/bin/sh", ["-c", script, "guard", `${process.pid}`, ...files], { stdio: "ignore", detached: true }).unref();
}
