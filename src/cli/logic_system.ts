import type { Logger } from "../base/logger.ts";
import type { ListenAt, Runtime } from "../comm/ports.ts";
import { LinkServer } from "../container/tcp/link_server.ts";
import { type ClusterConfig, ClusterPart } from "./cluster_part.ts";
import { LogicPart } from "./logic_part.ts";
import { nodeOf } from "./node_part.ts";
import { openStore } from "./open_store.ts";
import type { Shared } from "./open_shared.ts";
import { type ProcessConfig, type RunningServer, ServerProcess } from "./server_process.ts";

export interface LogicConfig extends ProcessConfig, ClusterConfig {
  readonly link: ListenAt;
  readonly monitor: ListenAt;
  readonly zone?: string | undefined;
  /** One of both. */
  readonly royalUrl?: string | undefined;
  readonly database?: string | undefined;
  readonly inboxGroup: number;
  /** Default: leased. */
  readonly node?: number | undefined;
  readonly devices: number;
  readonly kimPeers?: ((ip: string) => boolean) | undefined;
}

/** Gateways' channels leave a draining server within a second or two; who does not is served by another one later. */
const DRAIN_MS = 5_000;

/** A running chat server. Disposing asks its gateways to leave, answers what it has, then stops. */
export interface LogicSystem extends RunningServer {
  readonly id: string;
  /** `tcp://127.0.0.1:8005` */
  readonly link: string;
  readonly monitor: string;
}

/** A chat server: links from gateways, a message store, sessions. @throws {ImError} CONFIG: port taken, no store. */
export async function startLogic(
  config: LogicConfig,
  runtime: Runtime,
  log: Logger,
  given?: Shared,
): Promise<LogicSystem> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await ServerProcess.open(config, runtime, log));
  const { clock, metrics, faults } = host;
  const cluster = stack.use(await ClusterPart.open("chat", config, host, given));
  const { royalUrl, clusterSecret, database, inboxGroup, devices, kimPeers, zone } = config;
  // Whoever watches this process sees why it is not ready before all that it needs is there.
  const problems: (() => string | undefined)[] = [() => cluster.problem(), () => "it starts"];
  let links: LinkServer | undefined;
  const gateways = (): number => links?.links.size ?? 0;
  const pages = host.monitor({ problems, facts: () => ({ id: cluster.id, gateways: gateways() }) });
  const monitor = stack.use(await host.serve(config.monitor, pages));
  const { node, source, lost, problem: nodeProblem } = await nodeOf(config, cluster, host, stack);
  const kept = { royalUrl, clusterSecret, database, inboxGroup, data: "", sync: "full", retentionDays: 0 } as const;
  const opened = stack.use(await openStore({ ...kept, node, faults: faults.store }, host));
  const sessions = cluster.shared.sessions(devices);
  const part = stack.use(new LogicPart({ opened, sessions, node: source, afterReply: faults.afterReply }, host));
  const server = links = new LinkServer(
    { serviceId: cluster.id },
    { clock, log, metrics, logic: part.logic, sign: cluster.sign, isKimPeer: kimPeers },
  );
  stack.use(server);
  const listening = await runtime.listenTcp(host.plain(config.link), server.accept);
  server.listening(listening);
  stack.defer(async () => {
    await cluster.leave();
    await part.logic.drain(DRAIN_MS);
  });
  // Not before its store has answered: whoever finds it sends it logins.
  stack.use(cluster.registerOnce(clock, [() => opened.health().problem], () => {
    cluster.register(
      { service: "chat", protocol: "tcp", at: config.link, listening, zone },
      { at: config.monitor, listening: monitor },
    );
  }));
  problems.splice(1, 1, () => opened.health().problem, nodeProblem);
  const urls = { link: listening.url, monitor: monitor.url };
  const running = host.running(stack, { id: cluster.id, node, ...urls }, () => ({ gateways: gateways() }));
  return {
    id: cluster.id,
    ...urls,
    metrics,
    // A store of this process cannot change its number; ids of logins can.
    failed: royalUrl === undefined ? Promise.race([opened.failed, lost]) : opened.failed,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}
