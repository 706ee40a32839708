import type { Logger } from "../base/logger.ts";
import type { ListenAt, Runtime } from "../comm/ports.ts";
import { type ClusterConfig, ClusterPart } from "./cluster_part.ts";
import { nodeOf } from "./node_part.ts";
import { openStore, type StoreConfig } from "./open_store.ts";
import type { Shared } from "./open_shared.ts";
import { royalHttp, type RoyalHttpConfig } from "./royal_http.ts";
import { type ProcessConfig, type RunningServer, ServerProcess } from "./server_process.ts";

export interface RoyalConfig
  extends
    Omit<StoreConfig, "royalUrl" | "clusterSecret" | "faults" | "node">,
    RoyalHttpConfig,
    ProcessConfig,
    ClusterConfig {
  readonly royal: ListenAt;
  /** Of its own for health and figures; default: the same. */
  readonly monitor?: ListenAt | undefined;
  /** Default: on PostgreSQL leased where leases are, else 0. */
  readonly node?: number | undefined;
}

/** A running store. Disposing stops it gracefully. */
export interface RoyalSystem extends RunningServer {
  readonly id: string;
  /** `http://127.0.0.1:8080`, with the port really bound; `https:` with TLS, `http+unix:/path`. */
  readonly url: string;
  /** Where `/ready` is. */
  readonly monitor: string;
}

/** The message and group store by itself, over HTTP. @throws {ImError} CONFIG: port taken, folder in use. */
export async function startRoyal(
  config: RoyalConfig,
  runtime: Runtime,
  log: Logger,
  given?: Shared,
): Promise<RoyalSystem> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await ServerProcess.open(config, runtime, log));
  const cluster = stack.use(await ClusterPart.open("royal", config, host, given));
  const { royal, data, sync, database } = config;
  // Whoever watches this process sees why it is not ready before all that it needs is there.
  const problems: (() => string | undefined)[] = [() => cluster.problem(), () => "it starts"];
  const own = { id: cluster.id, ...(database === undefined && { sync }) };
  const pages = host.monitor({ problems, facts: () => own });
  const apart = config.monitor && stack.use(await host.serve(config.monitor, pages));
  // SQLite has one writer: its ids need no number that others have not, and it outlives a session store that is away.
  const alone = database === undefined ? { node: config.node ?? 0 } : config;
  const { node, lost } = await nodeOf(alone, cluster, host, stack);
  const store = { ...config, node, clusterSecret: undefined, faults: host.faults.store };
  const opened = stack.use(await openStore(store, host));
  const { app, serve } = royalHttp(config, opened, host);
  if (!apart) app.route("/", pages);
  const http = stack.use(await serve(royal));
  const monitor = apart ?? http;
  stack.defer(() => cluster.leave());
  cluster.register(
    { service: "royal", protocol: "http", at: royal, listening: http },
    { at: config.monitor ?? royal, listening: monitor },
  );
  problems.splice(1, 1, () => opened.health().problem);
  const running = host.running(stack, {
    id: cluster.id,
    node,
    royal: http.url,
    ...(database === undefined && { data, sync }),
  });
  return {
    id: cluster.id,
    url: http.url,
    monitor: monitor.url,
    metrics: host.metrics,
    failed: Promise.race([opened.failed, lost]),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
