import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { systemClock } from "../../base/clock.ts";
import { sendSignal } from "../../runtime/node/send_signal.ts";
import type { Run } from "./plan.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
/** Between a polite and a hard stop. A gateway lets its clients go first. */
const STOP_MS = 30_000;
/** The last lines are kept, to be shown when the process does not start. */
const MOST_LINES = 30;
/** A line is shown up to here. */
const MOST_LENGTH = 64 << 10;

/** How a process ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

interface Answer {
  readonly ok: boolean;
  readonly problem: string | undefined;
}

/** One process of a cluster, on the runtime that we run on. */
export class Child {
  readonly run: Run;
  readonly id: string;
  readonly pid: number;
  readonly since: Date;
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #last: string[] = [];
  #isOver = false;

  /** @param line hears the lines of its log, and what it says on standard error. A banner is for people who start it. */
  constructor(run: Run, id: string, line: (text: string) => void) {
    const runtime = "Deno" in globalThis ? ["run", "-A"] : [];
    this.run = run;
    this.id = id;
    this.since = new Date(systemClock.now());
    // In a group of its own: a terminal's Ctrl-C is for us, and we stop the processes in their order.
    const child = this.#child = spawn(process.execPath, [...runtime, MAIN, ...run.args], {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      env: { ...foreign(process.env), ...run.env },
    });
    this.pid = child.pid ?? 0;
    const hear = (text: string): void => {
      if (!isEntry(text)) this.#last.push(text);
      if (this.#last.length > MOST_LINES) this.#last.shift();
      line(text);
    };
    this.ended = new Promise((resolve) => {
      child.once("close", (code, signal) => resolve({ code, signal }));
      child.on("error", (error) => {
        hear(String(error));
        if (child.pid === undefined) resolve({ code: 127, signal: null }); // it could not be started
      });
    });
    void this.ended.then(() => this.#isOver = true);
    eachLine(child.stdout!, (text) => isEntry(text) && hear(text));
    eachLine(child.stderr!, hear);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** What it said last on standard error. */
  lastWords(): string[] {
    return [...this.#last];
  }

  /** Is it ready? */
  async isReady(): Promise<boolean> {
    return (await this.#ask(2_000))?.ok === true;
  }

  /** Does it answer anything in that time? */
  async answers(ms: number): Promise<boolean> {
    return await this.#ask(ms) !== undefined;
  }

  /** What it says that it lacks, or that it says nothing. */
  async problem(): Promise<string> {
    const answer = await this.#ask(2_000);
    return answer?.problem ?? (answer ? "it does not say why" : `${this.run.readyUrl} does not answer`);
  }

  /** Asks it to stop, and ends it after a while. */
  async stop(): Promise<void> {
    sendSignal(this.#child, "SIGTERM");
    const timer = systemClock.after(STOP_MS, () => this.kill());
    await this.ended;
    timer.stop();
  }

  kill(): void {
    sendSignal(this.#child, "SIGKILL");
  }

  async #ask(ms: number): Promise<Answer | undefined> {
    const { readyUrl, readyToken } = this.run;
    try {
      const headers = readyToken === undefined ? undefined : { authorization: `Bearer ${readyToken}` };
      const answer = await fetch(readyUrl, { signal: AbortSignal.timeout(ms), ...(headers && { headers }) });
      return { ok: answer.ok, problem: problemIn(await answer.text()) };
    } catch {
      return undefined; // it does not listen yet, or is busy
    }
  }
}

/** What a `/ready` says. */
function problemIn(text: string): string | undefined {
  try {
    const { problem } = JSON.parse(text);
    return typeof problem === "string" ? problem : undefined;
  } catch {
    return undefined; // not one of ours
  }
}

/** The environment without what is ours: a run says that completely. */
function foreign(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(PETREL|UPSTASH)_/.test(name)));
}

/** Is it an entry of its log? */
function isEntry(text: string): boolean {
  return text.startsWith("{");
}

function eachLine(stream: Readable, hear: (text: string) => void): void {
  let rest = "";
  const say = (text: string): void => {
    const shown = text.replace(/\r$/, "");
    if (shown !== "") hear(shown.length <= MOST_LENGTH ? shown : `${shown.slice(0, MOST_LENGTH)}…`);
  };
  stream.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) say(line);
    if (rest.length > MOST_LENGTH) {
      say(rest);
      rest = "";
    }
  });
  stream.on("end", () => say(rest));
}
