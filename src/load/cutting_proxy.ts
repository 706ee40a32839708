import net from "node:net";
import { type Cut, CutConn, type CutPlan, CUTS } from "./cut_conn.ts";
import { Random } from "./random.ts";
import { count, total } from "./talk_counts.ts";

export interface CuttingProxyOptions {
  readonly host: string;
  readonly port: number;
  /** Lanes, each with a port of its own, so that a client has its own fate. */
  readonly lanes: number;
  /** A connection lives half to one and a half times as long, evenly spread. */
  readonly cutEveryMs: number;
  /** Decides for each lane which of its connections is cut when, and how. Clocks decide the rest. */
  readonly seed: number;
}

/** What happened to a lane. */
export interface LaneCounts {
  readonly cuts: Map<Cut, number>;
  /** Connections that were cut when the server had been given a talk and the client not its answer. */
  unanswered: number;
  /** Connections that were accepted by nobody. */
  refused: number;
}

/** Stands between WebSocket clients and a server on this machine, and cuts connections as a seed says. */
export class CuttingProxy implements AsyncDisposable {
  readonly lanes: readonly Lane[];

  private constructor(lanes: readonly Lane[]) {
    this.lanes = lanes;
  }

  /** Listens on free ports of 127.0.0.1. */
  static async start(options: CuttingProxyOptions): Promise<CuttingProxy> {
    const lanes = Array.from({ length: options.lanes }, (_, i) => new Lane(options, i));
    await Promise.all(lanes.map((lane) => lane.listen()));
    return new CuttingProxy(lanes);
  }

  /** No more cuts: what is silent closes now, what is open stays. */
  calm(): void {
    for (const lane of this.lanes) lane.calm();
  }

  /** Cuts of all lanes. */
  get cuts(): number {
    return this.lanes.reduce((sum, { counts }) => sum + total(counts.cuts), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.close()));
  }
}

/** One client's way to the server. */
export class Lane {
  readonly counts: LaneCounts = { cuts: new Map(), unanswered: 0, refused: 0 };
  readonly #options: CuttingProxyOptions;
  readonly #plans: Generator<CutPlan, never>;
  readonly #server: net.Server;
  readonly #open = new Set<CutConn>();
  #refuseUntil = 0;
  #cutting = true;

  constructor(options: CuttingProxyOptions, index: number) {
    this.#options = options;
    this.#plans = cutPlans(options.seed, index, options.cutEveryMs);
    this.#server = net.createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("Cannot tell the port: not listening");
    return address.port;
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, "127.0.0.1", () => resolve());
    });
  }

  calm(): void {
    this.#cutting = false;
    this.#refuseUntil = 0;
    for (const conn of [...this.#open]) conn.calm();
  }

  close(): Promise<void> {
    this.#cutting = false;
    for (const conn of [...this.#open]) conn.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: net.Socket): void {
    if (performance.now() < this.#refuseUntil) {
      this.counts.refused++;
      socket.on("error", () => {}); // it is gone: nobody is told
      return void socket.destroy();
    }
    const plan = this.#cutting ? this.#plans.next().value : undefined;
    const conn: CutConn = new CutConn(socket, this.#options, plan, {
      cut: (kind, unanswered) => {
        count(this.counts.cuts, kind);
        if (unanswered > 0) this.counts.unanswered++;
        if (kind === "refuse" && plan !== undefined) this.#refuseUntil = performance.now() + plan.thenMs;
      },
      closed: () => this.#open.delete(conn),
    });
    this.#open.add(conn);
  }
}

/** The fates of a lane's connections, one after the other: the seed decides all of it. Each begins with a lost reply. */
export function* cutPlans(seed: number, lane: number, cutEveryMs: number): Generator<CutPlan, never> {
  const random = new Random(seed * 100_003 + lane);
  for (let kind: Cut = CUTS[0];; kind = random.pick(CUTS)) {
    const afterMs = cutEveryMs * (0.5 + random.next());
    const share = random.next();
    const thenMs = kind === "no reply" ? 2 + 60 * share : cutEveryMs * (0.1 + 0.9 * share);
    yield { kind, afterMs, thenMs };
  }
}
