import type { Hono } from "hono";
import manifest from "../../package.json" with { type: "json" };
import { type Clock, systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import type { LogFields, Logger } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import { behindProxies } from "../comm/forwarded.ts";
import type { Fetch, HttpEnv, ListenAt, Listening, Runtime } from "../comm/ports.ts";
import { monitorApp } from "../services/monitor/app.ts";
import { type Faults, readFaults } from "./faults.ts";
import { measureProcess } from "./process_metrics.ts";
import { prometheusText } from "./prometheus.ts";
import { TlsFiles } from "./tls_files.ts";

/** Where a server is that has health and figures beside its own app. */
export interface MonitoredAt {
  readonly http: ListenAt;
  /** Of its own for health and figures; default: the same. */
  readonly monitor?: ListenAt | undefined;
}

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

  /** Serves an app to clients; what it does not have is not found. */
  serveClients(address: ListenAt, app: Hono<{ Bindings: HttpEnv }>): Promise<Listening> {
    const { isProxy } = this;
    const fetch: Fetch = (request, env) => app.fetch(request, env);
    app.notFound((c) => c.json({ code: "NOT_FOUND", message: `Nothing is at ${c.req.path}` }, 404));
    return this.runtime.serveHttp(this.at(address), isProxy ? behindProxies(isProxy, fetch) : fetch);
  }

  /** The same, and the monitor's pages: at their own address, or in the app. `health` is for naming. */
  async serveMonitored(
    { http: at, monitor: own }: MonitoredAt,
    app: Hono<{ Bindings: HttpEnv }>,
    pages: Hono,
    stack: AsyncDisposableStack,
  ) {
    if (!own) app.route("/", pages);
    const http = stack.use(await this.serveClients(at, app));
    const monitor = own ? stack.use(await this.serve(own, pages)) : http;
    return { http, monitor, health: { at: own ?? at, listening: monitor } };
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
