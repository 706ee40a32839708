import { Hono } from "hono";
import type { Logger } from "../base/logger.ts";
import type { HttpEnv, Runtime } from "../comm/ports.ts";
import { ApiPart } from "./api_part.ts";
import { type ClusterConfig, ClusterPart } from "./cluster_part.ts";
import { openLinks } from "./links_part.ts";
import type { Shared } from "./open_shared.ts";
import { type MonitoredAt, type ProcessConfig, type RunningServer, ServerProcess } from "./server_process.ts";
import { readZones } from "./zones.ts";

export interface ApiConfig extends ProcessConfig, ClusterConfig, MonitoredAt {
  readonly apiKey: string;
  /** Signs tokens; default: none are made. */
  readonly secret?: string | undefined;
  /** Folder that may have a route.json. */
  readonly routes?: string | undefined;
}

/** A running API. Disposing answers what is under way, then stops it. */
export interface ApiSystem extends RunningServer {
  readonly id: string;
  readonly url: string;
  /** Where `/ready` is. */
  readonly monitor: string;
}

/** The HTTP API: to chat servers a gateway without clients. @throws {ImError} CONFIG: port taken, bad files. */
export async function startApi(config: ApiConfig, runtime: Runtime, log: Logger, given?: Shared): Promise<ApiSystem> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await ServerProcess.open(config, runtime, log));
  const cluster = stack.use(await ClusterPart.open("api", config, host, given));
  const { id: serviceId, incarnation, shared } = cluster;
  const { apiKey, secret } = config;
  const part = new ApiPart({
    serviceId,
    incarnation,
    apiKey,
    sessions: shared.leases && shared.sessions(1), // only asked who is online
    hmac: secret === undefined ? undefined : runtime.hmacSha256(secret),
    zones: readZones(config.routes),
  }, host);
  const { api } = part;
  const links = stack.use(openLinks(api, cluster, host));
  const pages = host.monitor({
    // Nobody looks for it in naming, and its links stay while naming is away: so it is ready all the same.
    problems: [() => links.problem, () => api.problem()],
    facts: () => ({ id: serviceId, naming: cluster.problem() ?? "ok" }),
  });
  const app = new Hono<{ Bindings: HttpEnv }>();
  app.route("/", api.app);
  const { http, monitor, health } = await host.serveMonitored(config, app, pages, stack);
  stack.use(part);
  stack.defer(async () => {
    await cluster.leave();
    http.stopAccepting();
  });
  cluster.register({ service: "api", protocol: "http", at: config.http, listening: http }, health);
  const running = host.running(stack, { id: serviceId, http: http.url, monitor: monitor.url });
  return {
    id: serviceId,
    url: http.url,
    monitor: monitor.url,
    metrics: host.metrics,
    failed: new Promise(() => {}),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
