import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import process from "node:process";
import { wait } from "../pool.ts";
import { guardProcess } from "../process_guard.ts";
import type { FaultTarget } from "./fault_target.ts";

export interface RoleProcessOptions {
  readonly name: string;
  readonly role: string;
  /** Run by `sh -c`. */
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
  /** Does it serve? Asked until it does; may reject as long as it does not. */
  readonly ready: () => Promise<boolean>;
  /** What its clock is off by, in ms; the process reads it (PETREL_FAULT=clock=…). Absent: its clock cannot be set. */
  readonly clockFile?: string | undefined;
  /** Everything it prints goes there too. */
  readonly logFile?: string | undefined;
  readonly flush?: (() => Promise<void>) | undefined;
  readonly readyMs?: number | undefined;
}

const READY_MS = 30_000;
const STOP_MS = 20_000;
const KEPT_LINES = 60;

/** One server of a cluster as a process of this machine: started, killed, paused, started again. */
export class RoleProcess implements FaultTarget, AsyncDisposable {
  readonly name: string;
  readonly role: string;
  readonly flush?: () => Promise<void>;
  readonly shiftClock?: (ms: number) => Promise<void>;
  /** How it ended without being asked to; "" as long as it did not. */
  crashed = "";
  /** Stops that took too long and became kills. */
  hung = 0;
  readonly #options: RoleProcessOptions;
  readonly #lines: string[] = [];
  #child: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #asked = false;

  constructor(options: RoleProcessOptions) {
    this.#options = options;
    this.name = options.name;
    this.role = options.role;
    if (options.flush !== undefined) this.flush = options.flush;
    const { clockFile } = options;
    if (clockFile !== undefined) {
      this.shiftClock = async (ms) => {
        await fs.promises.writeFile(clockFile, `${ms}\n`);
      };
    }
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** What it did without being asked to, in words. */
  problems(): string[] {
    return [
      ...(this.crashed === "" ? [] : [`${this.name} ${this.crashed} by itself:\n${this.output()}`]),
      ...(this.hung === 0 ? [] : [`${this.name} did not stop in ${STOP_MS / 1000} s, ${this.hung} times`]),
    ];
  }

  /** Its last lines. */
  output(): string {
    return this.#lines.join("\n");
  }

  async start(): Promise<void> {
    this.#spawn();
    const { ready, readyMs = READY_MS } = this.#options;
    const end = performance.now() + readyMs;
    while (performance.now() < end && this.#child !== undefined) {
      if (await ready().catch(() => false)) return;
      await wait(50);
    }
    const missing = /exec: (\S+): not found/.exec(this.output())?.[1];
    if (missing !== undefined) {
      throw new Error(`Cannot start ${this.name}: there is no program ${missing} here, install it`);
    }
    const why = this.#child === undefined ? `it ${this.crashed}` : `not ready in ${readyMs / 1000} s`;
    throw new Error(`Cannot start ${this.name}: ${why}\n${this.output()}`);
  }

  async kill(): Promise<void> {
    this.#signal("SIGKILL", true);
    await this.#ended;
  }

  pause(): Promise<void> {
    this.#signal("SIGSTOP", false);
    return Promise.resolve();
  }

  resume(): Promise<void> {
    this.#signal("SIGCONT", false);
    return Promise.resolve();
  }

  /** SIGTERM; a kill when it does not end. */
  async stop(): Promise<void> {
    this.#signal("SIGCONT", false);
    this.#signal("SIGTERM", true);
    const timer = setTimeout(() => {
      this.hung++;
      this.#signal("SIGKILL", true);
    }, STOP_MS);
    await this.#ended;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #spawn(): void {
    const { command, env, logFile } = this.#options;
    const log = logFile === undefined ? undefined : fs.createWriteStream(logFile, { flags: "a" });
    const child = spawn("sh", ["-c", `exec ${command}`], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", ...env },
    });
    const keep = (bytes: Uint8Array) => {
      log?.write(bytes);
      this.#lines.push(...new TextDecoder().decode(bytes).split("\n").filter((line) => line !== ""));
      this.#lines.splice(0, this.#lines.length - KEPT_LINES);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
    this.#child = child;
    this.#asked = false;
    if (child.pid !== undefined) guardProcess(child.pid);
    this.#ended = new Promise((resolve) => {
      const over = (how: string) => {
        if (this.#child !== child) return;
        this.#child = undefined;
        log?.end();
        if (!this.#asked) this.crashed = `ended with ${how}`;
        resolve();
      };
      child.on("error", (error) => over(error.message));
      child.on("exit", (code, signal) => over(signal ?? `code ${code}`));
    });
  }

  #signal(name: NodeJS.Signals, ends: boolean): void {
    if (ends) this.#asked = true;
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(pid, name);
    } catch {
      // it ended between our look and the signal
    }
  }
}

/** Does that address say 200? */
export function httpReady(url: string): () => Promise<boolean> {
  return () => answers(url, (status) => status === 200);
}

/** Asks an address once; false: no answer, or not that status. */
export async function answers(url: string, fits: (status: number) => boolean): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    await response.body?.cancel();
    return fits(response.status);
  } catch {
    return false;
  }
}
