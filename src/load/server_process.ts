import { type ChildProcess, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { freePorts } from "./free_ports.ts";
import { guardProcess } from "./process_guard.ts";

export interface ServerStart {
  /** A shell command line, e.g. `bun src/cli/main.ts dev`. It is told where to listen by PETREL_* variables. */
  readonly command: string;
  readonly secret: string;
  /** Kept if given; otherwise a temporary one that is removed at the end. */
  readonly dataDir?: string | undefined;
  /** Kept if given, so that a restart is reached under the same addresses. */
  readonly ports?: { readonly http: number; readonly tcp: number } | undefined;
  readonly env?: Readonly<Record<string, string>>;
  readonly readyMs?: number;
}

/** A server of our own, for one run. */
export interface ServerProcess extends AsyncDisposable {
  readonly pid: number;
  readonly ports: { readonly http: number; readonly tcp: number };
  readonly wsUrl: string;
  readonly tcpUrl: string;
  readonly dataDir: string;
  /** Resolves when it has ended, however: `code` or `signal`. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** The last lines it printed. */
  output(): string;
  /** kill -9, and waits for the end. Keeps the data. */
  kill(): Promise<void>;
  /** Asks it to stop (SIGTERM), kills it after 10 s. Dispose does this and removes a temporary data directory. */
  stop(): Promise<void>;
}

/** Starts a server on 127.0.0.1 and waits until `/ready` says 200. @throws {Error} with its last output. */
export async function startServer(start: ServerStart): Promise<ServerProcess> {
  const [httpPort, tcpPort] = start.ports === undefined ? await freePorts(2) : [start.ports.http, start.ports.tcp];
  const dataDir = start.dataDir ?? fs.mkdtempSync(path.join(os.tmpdir(), "petrel-load-"));
  const lines: string[] = [];
  const child = spawn("sh", ["-c", `exec ${start.command}`], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      PETREL_HTTP: `127.0.0.1:${httpPort}`,
      PETREL_TCP: `127.0.0.1:${tcpPort}`,
      PETREL_DATA: dataDir,
      PETREL_LOG: "warn",
      PETREL_TOKEN_SECRET: start.secret,
      ...start.env,
    },
  });
  const keep = (bytes: Uint8Array) => {
    lines.push(...new TextDecoder().decode(bytes).split("\n").filter((line) => line !== ""));
    lines.splice(0, lines.length - 40);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.on("error", () => resolve({ code: 127, signal: null }));
    child.on("exit", (code, signal) => resolve({ code, signal }));
  });
  if (child.pid !== undefined) guardProcess(child.pid);
  const server: ServerProcess = {
    pid: child.pid ?? 0,
    ports: { http: httpPort!, tcp: tcpPort! },
    wsUrl: `ws://127.0.0.1:${httpPort}/`,
    tcpUrl: `tcp://127.0.0.1:${tcpPort}`,
    dataDir,
    ended,
    output: () => lines.join("\n"),
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
    stop: () => stopGently(child, ended),
    async [Symbol.asyncDispose]() {
      await stopGently(child, ended);
      if (start.dataDir === undefined) fs.rmSync(dataDir, { recursive: true, force: true });
    },
  };
  try {
    await waitReady(server, start.readyMs ?? 20_000);
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return server;
}

async function waitReady(server: ServerProcess, readyMs: number): Promise<void> {
  const url = `http://127.0.0.1:${server.ports.http}/ready`;
  const end = performance.now() + readyMs;
  let over = "";
  server.ended.then(({ code, signal }) => over = `ended with ${signal ?? `code ${code}`}`);
  while (performance.now() < end && over === "") {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
      await response.body?.cancel();
      if (response.ok) return;
    } catch {
      // not listening yet
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const why = over === "" ? `${url} did not say 200 in ${readyMs} ms` : over;
  throw new Error(`Cannot start the server: it ${why}\n${server.output()}`);
}

async function stopGently(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => process.kill(child.pid!, "SIGKILL"), 10_000); // Deno's child.kill sends one signal only
  await ended;
  clearTimeout(timer);
}
