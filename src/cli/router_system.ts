import { Hono } from "hono";
import type { Logger } from "../base/logger.ts";
import type { HttpEnv, Runtime } from "../comm/ports.ts";
import { type ClusterConfig, ClusterPart } from "./cluster_part.ts";
import type { Shared } from "./open_shared.ts";
import { openRegionRouter } from "./region_router.ts";
import { type MonitoredAt, type ProcessConfig, type RunningServer, ServerProcess } from "./server_process.ts";

export interface RouterConfig extends ProcessConfig, ClusterConfig, MonitoredAt {
  readonly origins: readonly string[];
  /** Folder that may have mapping.json and regions.json. */
  readonly routes?: string | undefined;
}

/** A running router. Disposing stops it. */
export interface RouterSystem extends RunningServer {
  readonly id: string;
  readonly url: string;
  /** Where `/ready` is. */
  readonly monitor: string;
}

/** Tells clients which gateway to use. @throws {ImError} CONFIG: port taken, bad files. */
export async function startRouter(
  config: RouterConfig,
  runtime: Runtime,
  log: Logger,
  given?: Shared,
): Promise<RouterSystem> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await ServerProcess.open(config, runtime, log));
  const cluster = stack.use(await ClusterPart.open("router", config, host, given));
  const { routes, origins } = config;
  const router = stack.use(openRegionRouter({ naming: cluster.naming, routes, origins, clock: host.clock }));
  // Nobody looks for routers in naming, and without naming the gateways known last count: so it is ready all the same.
  const problems = [() => router.problem()];
  const facts = () => ({ id: cluster.id, gateways: router.gateways, naming: cluster.problem() ?? "ok" });
  const pages = host.monitor({ problems, facts });
  const app = new Hono<{ Bindings: HttpEnv }>();
  app.route("/", router.app);
  if (config.monitor) app.get("/health", (c) => c.text("ok"));
  const { http, monitor, health } = await host.serveMonitored(config, app, pages, stack);
  stack.defer(() => cluster.leave());
  cluster.register({ service: "router", protocol: "http", at: config.http, listening: http }, health);
  const running = host.running(stack, { id: cluster.id, http: http.url, monitor: monitor.url });
  return {
    id: cluster.id,
    url: http.url,
    monitor: monitor.url,
    metrics: host.metrics,
    failed: new Promise(() => {}),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
