import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { guardProcess } from "../../src/load/process_guard.ts";

/** The project's folder. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The runtime these tests run on, and so the one `startScript` uses. */
export const RUNTIME: "bun" | "deno" = "Deno" in globalThis ? "deno" : "bun";

/** A shell command that runs a script of the project on the runtime of these tests. */
export function shellCommand(script: string, ...args: string[]): string {
  const run = RUNTIME === "deno" ? ["run", "-A", "--no-check", "--config", `${ROOT}deno.json`] : ["run"];
  return [process.execPath, ...run, `${ROOT}${script}`, ...args].map((word) => `'${word}'`).join(" ");
}

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface StartOptions {
  /** The project's folder when not given. */
  readonly cwd?: string;
  /** Added to this process's environment; undefined takes a name away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Can be written to; otherwise its input is empty. */
  readonly input?: boolean;
}

/** A child process, with all it starts. Disposing kills it and waits for its end. */
export class Child implements AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** What it has written so far. */
  stdout = "";
  stderr = "";
  readonly #watchers = new Set<() => void>();
  readonly #input: Writable | null;
  #ended = false;

  constructor(child: ChildProcess) {
    this.#input = child.stdin;
    this.#input?.on("error", () => {}); // it ended and reads no more
    this.pid = child.pid!;
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
      this.#tell();
    });
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      this.#tell();
    });
    // "close" comes after "exit", when both streams have been read to their ends.
    this.exited = once(child, "close").then(([code, signal]) => {
      this.#ended = true;
      this.#tell();
      return { code, signal };
    });
  }

  /**
   * Waits for text on stdout or stderr that matches, also in what was written before.
   * @throws when the process ends or the time is up first; the message has its output.
   */
  find(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpMatchArray> {
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer);
        this.#watchers.delete(look);
      };
      const fail = (what: string) => {
        done();
        reject(new Error(`Cannot find ${pattern}: ${what}\n${this.stdout}${this.stderr}`));
      };
      const look = () => {
        const match = this.stdout.match(pattern) ?? this.stderr.match(pattern);
        if (match) {
          done();
          resolve(match);
        } else if (this.#ended) fail("the process ended");
      };
      const timer = setTimeout(() => fail(`nothing in ${timeoutMs} ms`), timeoutMs);
      this.#watchers.add(look);
      look();
    });
  }

  /** Writes to its standard input, where `input` was asked for. */
  write(text: string): void {
    this.#input?.write(text);
  }

  /** Ends its standard input. */
  endInput(): void {
    this.#input?.end();
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Sends the signal and waits for the end. Harmless when it has ended. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Exit> {
    if (!this.#ended) kill(this.pid, signal);
    return await this.exited;
  }

  /** kill -9. */
  kill(): Promise<Exit> {
    return this.stop("SIGKILL");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #tell(): void {
    for (const look of [...this.#watchers]) look();
  }
}

/** Starts a program. @throws when there is no such program. */
export async function start(program: string, args: readonly string[], options: StartOptions = {}): Promise<Child> {
  const env: Record<string, string | undefined> = { ...process.env, NO_COLOR: "1", ...options.env };
  for (const [name, value] of Object.entries(env)) if (value === undefined) delete env[name];
  let child: ChildProcess;
  try {
    child = spawn(program, args, {
      cwd: options.cwd ?? ROOT,
      env,
      stdio: [options.input ? "pipe" : "ignore", "pipe", "pipe"],
      detached: true, // leads a process group
    });
    await once(child, "spawn"); // rejects on "error"
  } catch (cause) {
    throw new Error(`Cannot start ${program}`, { cause });
  }
  guardProcess(child.pid!, { isGroup: true }); // a test that timed out never disposes
  return new Child(child);
}

/** Starts a script of this project, `src/cli/main.ts` say, on the runtime these tests run on. */
export function startScript(script: string, args: readonly string[] = [], options?: StartOptions): Promise<Child> {
  return start(process.execPath, [...runArgs(), `${ROOT}${script}`, ...args], options);
}

function runArgs(): string[] {
  return RUNTIME === "deno" ? ["run", "-A", "--no-check", "--config", `${ROOT}deno.json`] : ["run"];
}

/** A child leads its own process group, so that what it starts ends with it. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group ended between our look and the signal.
  }
}

/** Does that process run? One that ended and that nobody has collected yet does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const status = `/proc/${pid}/status`;
    return !existsSync("/proc/self/status") || !/^State:\s+[ZX]/m.test(readFileSync(status, "utf8"));
  } catch {
    return false; // it is gone
  }
}

/** Waits some seconds for the end of a process that is not ours; false: it runs still. */
export async function hasEnded(pid: number): Promise<boolean> {
  for (let tries = 0; isRunning(pid) && tries < 300; tries++) await new Promise((resolve) => setTimeout(resolve, 10));
  return !isRunning(pid);
}
