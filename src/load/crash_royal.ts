import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { check } from "./checker.ts";
import type { HistoryEvent } from "./history.ts";
import { pool, wait } from "./pool.ts";
import { Random } from "./random.ts";
import { freePorts } from "./free_ports.ts";
import { type ServerProcess, startServer } from "./server_process.ts";
import { dayToken } from "./token.ts";
import type { Verdict } from "./verdict.ts";
import { WireClient } from "./wire_client.ts";

/**
 * What happens to the store's process: killed by us at a random moment, or by itself at a named place (SQLite only), asked
 * to stop, or stopped in its tracks for longer than anybody waits for a store (6 s).
 */
export const ROYAL_FAULTS = ["random time", "after-commit", "before-commit", "SIGTERM", "SIGSTOP"] as const;
export type RoyalFault = (typeof ROYAL_FAULTS)[number];

export interface RoyalCrashOptions {
  /** Starts the chat server: reads PETREL_ROYAL_URL and PETREL_CLUSTER_SECRET beside what `crash` tells it. */
  readonly command: string;
  /** Starts the store: reads PETREL_ROYAL, PETREL_DATA, PETREL_CLUSTER_SECRET, PETREL_FAULT, PETREL_DATABASE_URL. */
  readonly royal: string;
  /** A database for the store; undefined: SQLite in a folder of its own. */
  readonly database?: string | undefined;
  readonly rounds: number;
  readonly seed: number;
  readonly clients?: number;
  /** Sends that must be acked before and after each fault. */
  readonly minAcked?: number;
  /** Sends in flight per client. */
  readonly window?: number;
  /** Default: the kills. */
  readonly faults?: readonly RoyalFault[];
  readonly say?: (line: string) => void;
  readonly record?: (event: HistoryEvent) => void;
}

export interface RoyalRound {
  readonly fault: RoyalFault;
  /** Answered with Success while this round lasted, and refused (3xx). */
  readonly acked: number;
  readonly refused: number;
  /** From the store's end until the first Success after it. */
  readonly awayMs: number;
}

const SECRET = "crash-test-secret-0123456789abcdef";
const KILLS: readonly RoyalFault[] = ["random time", "after-commit", "before-commit"];
const PAUSE_MS = 6_000;
/** `stop` kills after 10 s. */
const STOP_MS = 9_000;
/** A store that a round waits for that long is stuck. */
const STUCK_MS = 60_000;

/**
 * Puts a store in its own process under load, makes it fail again and again while the chat server and its clients stay, and
 * judges at the end whether every inbox agrees with what the clients were told. Nothing is ever sent again by clients.
 * @throws {Error} a process does not start, or nothing is acked any more.
 */
export async function crashRoyal(options: RoyalCrashOptions): Promise<{ rounds: RoyalRound[]; verdict: Verdict }> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "petrel-crash-"));
  try {
    return await new RoyalCrash(options, folder).run();
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

class RoyalCrash {
  readonly #options: RoyalCrashOptions;
  readonly #folder: string;
  readonly #random: Random;
  readonly #clients: number;
  readonly #minAcked: number;
  /** A name that no run had before: a database may be used by many. */
  readonly #app: string;
  readonly #events: HistoryEvent[] = [];
  #ports: { http: number; tcp: number } | undefined;
  #perCommit = 20;
  #messages = 0;
  #acked = 0;
  #refused = 0;
  /** When the store went away the last time. */
  #awayMs = 0;
  #over = false;

  constructor(options: RoyalCrashOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
    this.#random = new Random(options.seed);
    this.#clients = options.clients ?? 50;
    this.#minAcked = options.minAcked ?? 2_000;
    this.#app = `crash-${Date.now().toString(36)}`;
  }

  async run(): Promise<{ rounds: RoyalRound[]; verdict: Verdict }> {
    const [http, tcp] = await freePorts(2);
    this.#ports = { http: http!, tcp: tcp! };
    const rounds: RoyalRound[] = [];
    let royal = await this.#startRoyal();
    try {
      await using server = await this.#startServer();
      const clients = await this.#connect(server);
      const talking = Promise.all(clients.map((client, i) => this.#talk(client, i)));
      talking.catch(() => {}); // thrown below
      const faults = this.#options.faults ?? KILLS;
      for (let i = 0; i < this.#options.rounds; i++) {
        const fault = faults[i % faults.length]!;
        const acked = this.#acked, refused = this.#refused;
        if (!KILLS.includes(fault) || fault === "random time") await this.#untilAcked(this.#minAcked);
        royal = await this.#fail(royal, fault);
        await this.#untilAcked(1);
        const awayMs = Math.round(performance.now() - this.#awayMs);
        await this.#untilAcked(this.#minAcked);
        const round = { fault, acked: this.#acked - acked, refused: this.#refused - refused, awayMs };
        rounds.push(round);
        this.#options.say?.(
          `round ${i + 1}: ${fault}, ${round.acked} acked, ${round.refused} refused, away ${awayMs} ms`,
        );
      }
      this.#over = true;
      await talking;
      for (const client of clients) await client[Symbol.asyncDispose]();
      await this.#readAll(server);
      return { rounds, verdict: check(this.#events) };
    } finally {
      this.#over = true;
      await royal[Symbol.asyncDispose]();
    }
  }

  /** Lets the store fail, and gives the one that runs afterwards. */
  async #fail(royal: ServerProcess, fault: RoyalFault): Promise<ServerProcess> {
    this.#awayMs = performance.now();
    if (fault === "SIGSTOP") {
      process.kill(royal.pid, "SIGSTOP");
      await wait(PAUSE_MS);
      process.kill(royal.pid, "SIGCONT");
      return royal;
    }
    if (fault === "SIGTERM") {
      await royal.stop();
      // Its exit code says nothing: Deno 2.9.6 tells null for every child that was sent a signal.
      const tookMs = performance.now() - this.#awayMs;
      if (tookMs > STOP_MS) throw new Error(`The store did not stop in ${STOP_MS} ms\n${royal.output()}`);
    } else if (fault === "random time") {
      await wait(this.#random.between(0, 20));
      this.#awayMs = performance.now();
      await royal.kill();
    } else {
      // The one that runs has no fault ordered: another takes its place, and ends at the named place.
      await royal.stop();
      const wanted = this.#minAcked + this.#random.between(0, this.#minAcked);
      const doomed = await this.#startRoyal({ PETREL_FAULT: `${fault}=kill@${Math.ceil(wanted / this.#perCommit)}` });
      const end = await Promise.race([doomed.ended, wait(STUCK_MS)]);
      this.#awayMs = performance.now();
      if (!end) throw new Error(`The store did not get to ${fault} in ${STUCK_MS} ms`);
    }
    await wait(this.#random.between(0, 300));
    return await this.#startRoyal();
  }

  #startRoyal(env: Readonly<Record<string, string>> = {}): Promise<ServerProcess> {
    const { royal, database = "" } = this.#options;
    return startServer({
      command: royal,
      secret: SECRET,
      dataDir: path.join(this.#folder, "royal"),
      ports: this.#ports,
      env: {
        PETREL_ROYAL: `127.0.0.1:${this.#ports!.http}`,
        PETREL_CLUSTER_SECRET: SECRET,
        PETREL_DATABASE_URL: database,
        ...env,
      },
    });
  }

  #startServer(): Promise<ServerProcess> {
    return startServer({
      command: this.#options.command,
      secret: SECRET,
      dataDir: path.join(this.#folder, "server"),
      env: {
        PETREL_ROYAL_URL: `http://127.0.0.1:${this.#ports!.http}`,
        PETREL_CLUSTER_SECRET: SECRET,
        PETREL_DATABASE_URL: "",
      },
    });
  }

  #record(event: HistoryEvent): void {
    this.#events.push(event);
    this.#options.record?.(event);
    if (event.event === "ack" && event.status === 0) this.#acked++;
    else if (event.event === "ack") this.#refused++;
  }

  async #connect(server: ServerProcess): Promise<WireClient[]> {
    const clients: WireClient[] = [];
    await pool(this.#clients, 10, async (i) => {
      const url = i % 3 === 0 ? server.tcpUrl : server.wsUrl;
      const history = { record: (event: HistoryEvent) => this.#record(event) };
      const token = dayToken(SECRET, this.#app, accountOf(i));
      clients[i] = await WireClient.login(url, token, { history, timeoutMs: STUCK_MS });
    });
    return clients;
  }

  /** Keeps `window` sends in flight until all rounds are over; every send has an answer. */
  async #talk(client: WireClient, index: number): Promise<void> {
    const dest = accountOf(index ^ 1);
    const lane = async () => {
      while (!this.#over) {
        const answer = await client.talk(dest, `${client.name}-${++this.#messages}`);
        if (answer.status !== 0) await wait(20);
      }
    };
    await Promise.all(Array.from({ length: this.#options.window ?? 4 }, lane));
  }

  async #untilAcked(more: number): Promise<void> {
    const wanted = this.#acked + more, deadline = performance.now() + STUCK_MS;
    while (this.#acked < wanted) {
      if (performance.now() > deadline) throw new Error(`Nothing is acked any more: ${this.#acked} of ${wanted}`);
      await wait(2);
    }
  }

  async #readAll(server: ServerProcess): Promise<void> {
    const clients = await this.#connect(server);
    await pool(clients.length, 10, async (i) => {
      await clients[i]!.inbox.readIndex(0n, true);
      await clients[i]!.inbox.readSync();
      await clients[i]![Symbol.asyncDispose]();
    });
  }
}

function accountOf(index: number): string {
  return `crash-${index}`;
}
