import { Hono } from "hono";
import { type Clock, sleep } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { HttpEnv, ListenAt, Listening, Runtime } from "../comm/ports.ts";
import { type ClusterConfig, ClusterPart } from "./cluster_part.ts";
import { GatewayPart, type GatewayPartConfig } from "./gateway_part.ts";
import { openLinks } from "./links_part.ts";
import type { Shared } from "./open_shared.ts";
import { type PagesConfig, pagesPart } from "./pages_part.ts";
import { type ProcessConfig, type RunningServer, ServerProcess } from "./server_process.ts";
import { readZones } from "./zones.ts";

export interface GatewayConfig
  extends
    ProcessConfig,
    PagesConfig,
    ClusterConfig,
    Omit<GatewayPartConfig, "serviceId" | "incarnation" | "leases" | "zones"> {
  readonly http: ListenAt | "off";
  readonly tcp: ListenAt | "off";
  readonly monitor: ListenAt;
  /** Folder that may have a route.json. */
  readonly routes?: string | undefined;
}

const SERVE_MS = 5_000;
const LOOK_MS = 20;

/** A running gateway. Disposing lets its clients go, then stops it. */
export interface GatewaySystem extends RunningServer {
  readonly id: string;
  /** `http://localhost:8000`; undefined: off. */
  readonly http: string | undefined;
  readonly tcp: string | undefined;
  readonly monitor: string;
}

/** A gateway: clients on one side, links to every chat server on the other. @throws {ImError} CONFIG: port taken, bad files. */
export async function startGateway(
  config: GatewayConfig,
  runtime: Runtime,
  log: Logger,
  given?: Shared,
): Promise<GatewaySystem> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await ServerProcess.open(config, runtime, log));
  const cluster = stack.use(await ClusterPart.open("gate", config, host, given));
  const { id: serviceId, incarnation } = cluster;
  const { leases } = cluster.shared;
  const zones = readZones(config.routes);
  const part = new GatewayPart({ ...config, serviceId, incarnation, leases, zones }, host);
  const { gateway } = part;
  const links = stack.use(openLinks(gateway, cluster, host));
  stack.use(part);
  const problems = [() => cluster.problem(), () => links.problem, () => gateway.problem]; // the cause first
  const facts = () => ({ id: serviceId, channels: gateway.size });
  let takesClients = false;
  const all = [...problems, () => takesClients ? undefined : "It takes no clients yet"];
  const monitor = stack.use(await host.serve(config.monitor, host.monitor({ problems: all, facts })));
  // Who takes another's place has its clients at once.
  if (config.reusePort) await canServe(host.clock, problems);
  const tcp = config.tcp === "off" ? undefined : await part.listenTcp(config.tcp);
  const http = config.http === "off" ? undefined : await part.listenHttp(config.http, clientApp(config, part, host));
  takesClients = true;
  stack.defer(() => cluster.leave());
  // Not before it has a chat server: routers send clients to whom naming tells.
  const register = (): void => tell(config, cluster, { http, tcp, monitor });
  stack.use(cluster.registerOnce(host.clock, problems, register));
  const urls = { http: http?.url, tcp: tcp?.url, monitor: monitor.url };
  const running = host.running(stack, { id: serviceId, ...urls }, () => ({ channels: gateway.size }));
  return {
    id: serviceId,
    ...urls,
    metrics: host.metrics,
    failed: new Promise(() => {}),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

/** Waits until nothing is in the way of clients, for some seconds at most: then they are told what is. */
async function canServe(clock: Clock, problems: readonly (() => string | undefined)[]): Promise<void> {
  const untilMs = clock.mono() + SERVE_MS;
  while (clock.mono() < untilMs && problems.some((problem) => problem() !== undefined)) await sleep(clock, LOOK_MS);
}

/** WebSocket clients, and pages. */
function clientApp(config: GatewayConfig, part: GatewayPart, host: ServerProcess): Hono<{ Bindings: HttpEnv }> {
  const app = new Hono<{ Bindings: HttpEnv }>();
  app.route("/", part.upgrades);
  const ownName = config.http === "off" ? "" : config.http.hostname;
  app.route("/", pagesPart(config, ownName, false, part.hmac, host));
  return app;
}

interface Listenings {
  readonly http: Listening | undefined;
  readonly tcp: Listening | undefined;
  readonly monitor: Listening;
}

/** Naming has a server for each kind of client, with the URL that clients are told. */
function tell(config: GatewayConfig, cluster: ClusterPart, { http, tcp, monitor }: Listenings): void {
  const { domain = [] } = config;
  const health = { at: config.monitor, listening: monitor };
  const told = (kind: RegExp, at: ListenAt, listening: Listening): string =>
    domain.find((url) => kind.test(url)) ?? cluster.clientUrl(at, listening).replace(/^http/, "ws");
  if (http && config.http !== "off") {
    const url = told(/^wss?:/, config.http, http);
    cluster.register({ service: "wgateway", protocol: "ws", at: config.http, listening: http, domain: url }, health);
  }
  if (tcp && config.tcp !== "off") {
    const url = told(/^(tcp|tls):/, config.tcp, tcp);
    cluster.register({ service: "tgateway", protocol: "tcp", at: config.tcp, listening: tcp, domain: url }, health);
  }
}
