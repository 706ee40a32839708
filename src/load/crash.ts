import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { check } from "./checker.ts";
import { makeGroup } from "./group_maker.ts";
import type { HistoryEvent } from "./history.ts";
import { pool, wait } from "./pool.ts";
import { Random } from "./random.ts";
import { freePorts } from "./free_ports.ts";
import { type ServerProcess, startServer } from "./server_process.ts";
import { dayToken } from "./token.ts";
import type { Verdict } from "./verdict.ts";
import { WireClient } from "./wire_client.ts";

/** Where the server is killed: by us at a random moment, or by itself at a named place (PETREL_FAULT). */
export const KILL_POINTS = ["random time", "after-commit", "before-commit", "after-reply"] as const;
export type KillPoint = (typeof KILL_POINTS)[number];

export interface CrashOptions {
  /** Starts the server: a shell command that reads PETREL_HTTP, PETREL_TCP, PETREL_DATA, PETREL_TOKEN_SECRET. */
  readonly command: string;
  readonly rounds: number;
  readonly seed: number;
  readonly clients?: number;
  /** So many groups, which every client is in one of: half of the sends go to them. Default: none. */
  readonly groups?: number;
  /** They are large at that server. */
  readonly largeGroups?: boolean;
  /** A round counts when so many sends were acked in it, and at least one was not answered. */
  readonly minAcked?: number;
  /** Sends in flight per client. */
  readonly window?: number;
  readonly points?: readonly KillPoint[];
  readonly env?: Readonly<Record<string, string>>;
  readonly say?: (line: string) => void;
  /** Gets every event as it happens, beside the checker. */
  readonly record?: (event: HistoryEvent) => void;
  /** Told of every server process, and of every kill. */
  readonly server?: (pid: number | undefined) => void;
}

export interface CrashRound {
  readonly point: KillPoint;
  readonly acked: number;
  readonly refused: number;
  readonly unanswered: number;
  /** How often it was tried until enough was acked. */
  readonly tries: number;
}

export interface CrashResult {
  readonly rounds: readonly CrashRound[];
  readonly verdict: Verdict;
}

/**
 * Kills a server again and again under load, starts it anew on the same data, and judges at the end whether every
 * inbox, read both ways, agrees with what the clients were told. Clients talk in pairs and in groups over both transports; a third
 * acknowledges what it is shown, a third reads its inbox at each login, a third does neither. Nothing is ever sent again.
 * @throws {Error} the server does not start, or a round never gets to its kill.
 */
export async function crash(options: CrashOptions): Promise<CrashResult> {
  const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), "petrel-crash-"));
  try {
    return await new CrashRun(options, dataDir).run();
  } finally {
    fs.rmSync(dataDir, { recursive: true, force: true });
  }
}

const SECRET = "crash-test-secret-0123456789abcdef";
const APP = "kim";

class CrashRun {
  readonly #options: CrashOptions;
  readonly #dataDir: string;
  readonly #random: Random;
  readonly #clients: number;
  readonly #minAcked: number;
  readonly #events: HistoryEvent[] = [];
  #ports: { http: number; tcp: number } | undefined;
  readonly #groups: string[] = [];
  #messages = 0;
  /** About how many sends a commit of this server carries. */
  #perCommit = 20;
  #acked = 0;
  #refused = 0;
  #unanswered = 0;

  constructor(options: CrashOptions, dataDir: string) {
    this.#options = options;
    this.#dataDir = dataDir;
    this.#random = new Random(options.seed);
    this.#clients = options.clients ?? 50;
    this.#minAcked = options.minAcked ?? 2000;
  }

  async run(): Promise<CrashResult> {
    const [http, tcp] = await freePorts(2);
    this.#ports = { http: http!, tcp: tcp! };
    const points = this.#options.points ?? KILL_POINTS;
    const rounds: CrashRound[] = [];
    for (let i = 0; i < this.#options.rounds; i++) {
      const round = await this.#round(points[i % points.length]!);
      rounds.push(round);
      this.#options.say?.(
        `round ${i + 1}: killed at ${round.point}, ${round.acked} acked, ${round.refused} refused, ` +
          `${round.unanswered} unanswered, ${round.tries} tries`,
      );
    }
    await this.#readAll();
    return { rounds, verdict: check(this.#events) };
  }

  #record(event: HistoryEvent): void {
    this.#events.push(event);
    this.#options.record?.(event);
    if (event.event === "ack" && event.status === 0) this.#acked++;
    else if (event.event === "ack") this.#refused++;
    else if (event.event === "no answer") this.#unanswered++;
  }

  async #round(point: KillPoint): Promise<CrashRound> {
    for (let tries = 1; tries <= 10; tries++) {
      this.#acked = this.#refused = this.#unanswered = 0;
      const there = await this.#killOnce(point);
      if (there && this.#acked >= this.#minAcked && this.#unanswered > 0) {
        return { point, acked: this.#acked, refused: this.#refused, unanswered: this.#unanswered, tries };
      }
      if (point !== "random time" && this.#acked < this.#minAcked) this.#perCommit = Math.max(1, this.#perCommit / 2);
    }
    throw new Error(`Cannot finish the round: ${this.#acked} acked, ${this.#unanswered} unanswered after 10 tries`);
  }

  /** False: the server did not get to the named place, and was killed from outside. */
  async #killOnce(point: KillPoint): Promise<boolean> {
    const server = await this.#start(point);
    try {
      const clients = await this.#connect(server, true);
      while (this.#groups.length < (this.#options.groups ?? 0)) await this.#makeGroup(clients);
      const target = this.#minAcked + this.#random.between(0, this.#minAcked);
      const after = this.#random.between(0, 20);
      let dead = false;
      const ended = server.ended.then((how) => (dead = true, how));
      const talking = Promise.all(clients.map((client, i) => this.#talk(client, i, () => dead)));
      talking.catch(() => {}); // thrown below, when the server is gone
      // at a named place the server kills itself; if it does not get there, it is killed far beyond
      const limit = point === "random time" ? target : 10 * this.#minAcked;
      const deadline = performance.now() + 60_000;
      while (!dead && this.#acked < limit && performance.now() < deadline) await wait(1);
      if (!dead && point === "random time") await wait(after);
      const beyond = !dead && point !== "random time";
      await server.kill();
      const { code, signal } = await ended;
      if (signal !== "SIGKILL") throw new Error(`The server ended by itself: ${signal ?? code}\n${server.output()}`);
      await talking;
      await Promise.all(clients.map((client) => client.ended));
      if (beyond) this.#perCommit *= 4;
      return !beyond;
    } finally {
      await server.kill();
    }
  }

  async #start(point?: KillPoint): Promise<ServerProcess> {
    const { command, env } = this.#options;
    const wanted = this.#minAcked + this.#random.between(0, this.#minAcked / 2);
    const n = point === "after-reply" ? wanted : Math.ceil(wanted / this.#perCommit);
    const fault: Record<string, string> = point === undefined || point === "random time"
      ? {}
      : { PETREL_FAULT: `${point}=kill@${n}` };
    const server = await startServer({
      command,
      secret: SECRET,
      dataDir: this.#dataDir,
      ports: this.#ports,
      env: { ...env, ...fault },
    });
    this.#options.server?.(server.pid);
    server.ended.then(() => this.#options.server?.(undefined));
    return server;
  }

  async #connect(server: ServerProcess, live: boolean): Promise<WireClient[]> {
    const clients: WireClient[] = [];
    await pool(this.#clients, 10, async (i) => {
      const url = i % 3 === 0 ? server.tcpUrl : server.wsUrl;
      const history = { record: (event: HistoryEvent) => this.#record(event) };
      clients[i] = await WireClient.login(url, dayToken(SECRET, APP, accountOf(i)), { history });
      if (live && roleOf(i) === "reads") await clients[i]!.inbox.readIndex(0n, false);
    });
    return clients;
  }

  /** The next group: every so-many-th client is in it. */
  async #makeGroup(clients: readonly WireClient[]): Promise<void> {
    const n = this.#groups.length;
    const owner = clients[n];
    if (owner === undefined) throw new Error(`Cannot make ${n + 1} groups: there are ${clients.length} clients`);
    this.#groups.push(await makeGroup(owner, this.#membersOf(n)));
  }

  #membersOf(group: number): string[] {
    const count = this.#options.groups ?? 0;
    return Array.from({ length: this.#clients }, (_, i) => i).filter((i) => i % count === group).map(accountOf);
  }

  /** Keeps `window` sends in flight until the server is gone. */
  async #talk(client: WireClient, index: number, dead: () => boolean): Promise<void> {
    const dest = accountOf(index ^ 1);
    const group = this.#groups[index % this.#groups.length];
    const { largeGroups } = this.#options;
    const to = group === undefined
      ? []
      : this.#membersOf(index % this.#groups.length).filter((n) => n !== accountOf(index));
    let seen = 0;
    const lane = async () => {
      while (!dead() && client.conn.closedWhy === "") {
        try {
          const id = `${client.name}-${++this.#messages}`;
          const inGroup = group !== undefined && this.#messages % 2 === 0;
          const answer = await (inGroup
            ? client.talk(group, id, { to, ...(largeGroups ? { apart: true } : {}) })
            : client.talk(dest, id));
          if (answer.status !== 0) {
            await wait(20);
          }
          if (roleOf(index) === "acks" && client.pushes.length >= seen + 50) {
            seen = client.pushes.length;
            await client.ack(client.messages.at(-1)!.messageId);
          }
        } catch (error) {
          if (client.conn.closedWhy === "") throw error; // the server lives and does not answer
        }
      }
    };
    await Promise.all(Array.from({ length: this.#options.window ?? 8 }, lane));
  }

  async #readAll(): Promise<void> {
    const server = await this.#start();
    try {
      const clients = await this.#connect(server, false);
      await pool(clients.length, 10, async (i) => {
        const client = clients[i]!;
        await client.inbox.readIndex(0n, roleOf(i) === "idle"); // the others have a read position: they get the rest
        await client.inbox.readSync();
        await client[Symbol.asyncDispose]();
      });
    } finally {
      await server.stop();
    }
  }
}

function accountOf(index: number): string {
  return `crash-${index}`;
}

function roleOf(index: number): "acks" | "reads" | "idle" {
  return (["acks", "reads", "idle"] as const)[index % 3]!;
}
