import type { Hono } from "hono";
import manifest from "../../package.json" with { type: "json" };
import { type Clock, systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import type { LogFields, Logger } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import type { ListenAt, Listening, Runtime } from "../comm/ports.ts";
import { monitorApp } from "../services/monitor/app.ts";
import { type Faults, readFaults } from "./faults.ts";
import { measureProcess } from "./process_metrics.ts";
import { prometheusText } from "./prometheus.ts";
import { TlsFiles } from "./tls_files.ts";

/** What every server is told, whatever its role. */
export interface ProcessConfig {
  /** TLS on every port, from these two files. */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** Which peers are proxies; `unix` for those on unix sockets. */
  readonly trustedProxies?: ((ip: string) => boolean) | undefined;
  /** May another process listen at the same addresses? Default: no. */
  readonly reusePort?: boolean | undefined;
  /** Makes it fail at named points (faults.ts). */
  readonly fault?: string | undefined;
}

/** A running server. Disposing stops it gracefully. */
export interface RunningServer extends AsyncDisposable {
  readonly metrics: Metrics;
  /** Resolves when the process must end: the store cannot say what became of a batch, or ids may be another's. */
  readonly failed: Promise<Error>;
}

/** What the parts of a server tell about themselves. */
export interface MonitorFacts {
  /** Each gives what does not work, in words; the first one that does so is told. */
  readonly problems: readonly (() => string | undefined)[];
  /** For `/ready`, beside the version. */
  readonly facts?: () => Record<string, unknown>;
}

/** What the parts of one server stand on: its clock, log, figures and certificate. */
export class ServerProcess implements AsyncDisposable {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly log: Logger;
  readonly metrics = new Metrics();
  readonly #config: ProcessConfig;
  readonly #stack = new AsyncDisposableStack();
  #tls: TlsFiles | undefined;
  #stopping = false;

  /** @throws {ImError} CONFIG: the certificate, or a fault, cannot be used. */
  static async open(config: ProcessConfig, runtime: Runtime, log: Logger): Promise<ServerProcess> {
    const made = new ServerProcess(config, runtime, log);
    const { tlsCert: cert, tlsKey: key } = config;
    if (cert !== undefined && key !== undefined) made.#tls = await TlsFiles.open({ cert, key }, made);
    if (made.#tls) made.#stack.use(made.#tls);
    made.#stack.use(measureProcess(made.metrics, made.clock));
    return made;
  }

  private constructor(config: ProcessConfig, runtime: Runtime, log: Logger) {
    this.#config = config;
    this.faults = readFaults(config.fault, systemClock);
    this.clock = this.faults.clock;
    this.runtime = runtime;
    this.log = log;
  }

  get isProxy(): ((ip: string) => boolean) | undefined {
    return this.#config.trustedProxies;
  }

  /** An address for clients, with all that is the same for every one of this process. */
  at(address: ListenAt): ListenAt {
    const { isProxy } = this;
    const { reusePort = false } = this.#config;
    const tls = this.#tls;
    return { ...this.plain(address), reusePort, ...(tls && { tls }), ...(isProxy && { isProxy }) };
  }

  /** An address for other processes: without TLS and proxies. */
  plain(address: ListenAt): ListenAt {
    const { clock, log } = this;
    return { ...address, clock, log };
  }

  /** Serves an app to other processes. */
  serve(address: ListenAt, app: Hono): Promise<Listening> {
    return this.runtime.serveHttp(this.plain(address), (request, env) => app.fetch(request, env));
  }

  /** `/health`, `/ready` and `/metrics`. */
  monitor({ problems, facts }: MonitorFacts): Hono {
    return monitorApp({
      problem: () => this.#stopping ? "it stops" : firstOf(problems),
      facts: () => ({
        version: manifest.version,
        runtime: this.runtime.name,
        ...facts?.(),
        ...(this.#tls && { tlsDaysLeft: Math.floor(this.#tls.daysLeft) }),
      }),
      metrics: () => prometheusText(this.metrics),
    });
  }

  /** The end of every start: says so, and gives what stops it all, saying that too. */
  running(stack: AsyncDisposableStack, facts: LogFields, stopping: () => LogFields = () => ({})): AsyncDisposable {
    this.log.info("started", facts);
    const running = stack.move();
    return {
      [Symbol.asyncDispose]: async () => {
        this.#stopping = true;
        this.log.info("stopping", stopping());
        await running.disposeAsync();
        this.log.info("stopped", {});
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

function firstOf(problems: MonitorFacts["problems"]): string | undefined {
  for (const ask of problems) {
    const problem = ask();
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** What a person is told when a server cannot start. */
export function startProblem(thrown: unknown): string {
  const error = ImError.from(thrown, "Cannot start");
  return error.code === "CONFIG" ? error.message : `Cannot start: ${String(thrown)}`;
}
