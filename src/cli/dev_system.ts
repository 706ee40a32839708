import { Hono } from "hono";
import type { Logger } from "../base/logger.ts";
import type { HttpEnv, ListenAt, Listening, Runtime } from "../comm/ports.ts";
import type { LinkGateway } from "../container/link.ts";
import { MemoryLink } from "../container/memory_link.ts";
import type { Hmac } from "../protocol/claims.ts";
import type { LogicServer } from "../services/logic/logic.ts";
import { MemorySessionStore } from "../session/memory.ts";
import { ApiPart } from "./api_part.ts";
import { GatewayPart, type GatewayPartConfig } from "./gateway_part.ts";
import { LogicPart } from "./logic_part.ts";
import { openStore } from "./open_store.ts";
import { type PagesConfig, pagesPart } from "./pages_part.ts";
import { royalHttp } from "./royal_http.ts";
import { type ProcessConfig, type RunningServer, ServerProcess } from "./server_process.ts";

export interface DevConfig extends ProcessConfig, GatewayPartConfig, PagesConfig {
  readonly http: ListenAt;
  readonly tcp: ListenAt;
  readonly sync: "full" | "normal";
  readonly node: number;
  readonly devices: number;
  readonly fault: string | undefined;
  /** A `petrel royal` that keeps the messages; default undefined: this process does. */
  readonly royalUrl?: string | undefined;
  readonly clusterSecret?: string | undefined;
  /** Default undefined: SQLite in the data folder. */
  readonly database?: string | undefined;
  /** Members a group may have before it is large; default 500. */
  readonly inboxGroup?: number | undefined;
  /** Messages older than so many days are removed; default 0: none. */
  readonly retentionDays?: number | undefined;
  /** Answers as `petrel royal` does at this address; default undefined: nowhere. */
  readonly royal?: ListenAt | undefined;
  readonly kimPeers?: ((ip: string) => boolean) | undefined;
  /** Lets callers of the HTTP API in; default: there is no API. */
  readonly apiKey?: string | undefined;
}

/** A running system. Disposing stops it gracefully. */
export interface DevSystem extends RunningServer {
  /** `http://localhost:8000`, with the port really bound; `https:` with TLS, `http+unix:/path`, and likewise the others. */
  readonly http: string;
  readonly ws: string;
  readonly tcp: string;
  /** Where the store answers; undefined: nowhere. */
  readonly royal: string | undefined;
  readonly hmac: Hmac;
  /** For tests: orders failures of the store (message/sqlite/faults.ts). Needs a `fault` in the config, "" will do. */
  inject(faults: string): Promise<void>;
}

/**
 * Every role in one process: gateway on WebSocket and TCP, logic, SQLite, sessions in memory, health and metrics.
 * Throws with everything undone when something cannot start. @throws {ImError} CONFIG: port taken, folder in use.
 */
export async function startDev(config: DevConfig, runtime: Runtime, log: Logger): Promise<DevSystem> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await ServerProcess.open(config, runtime, log));
  const { data, sync, node, devices, database, inboxGroup = 500, retentionDays = 0, royalUrl, clusterSecret } = config;
  const { faults } = host;
  const kept = { royalUrl, clusterSecret, database, data, sync, node, inboxGroup, retentionDays, faults: faults.store };
  const opened = stack.use(await openStore(kept, host));
  const sessions = stack.use(new MemorySessionStore(host.clock, { devices }));
  const { logic } = stack.use(new LogicPart({ opened, sessions, node, afterReply: faults.afterReply }, host));
  const part = stack.use(new GatewayPart(config, host));
  const { gateway, hmac } = part;
  join(config.serviceId, gateway, logic);

  const app = new Hono<{ Bindings: HttpEnv }>();
  app.route("/", part.upgrades);
  if (config.apiKey !== undefined) {
    const own = {
      serviceId: `${config.serviceId}-api`,
      incarnation: crypto.randomUUID().replaceAll("-", ""),
      apiKey: config.apiKey,
    };
    const { api } = stack.use(new ApiPart({ ...own, sessions, hmac }, host));
    join(own.serviceId, api, logic);
    app.route("/", api.app);
  }
  const problems = [() => opened.health().problem, () => gateway.problem];
  app.route("/", host.monitor({ problems, facts: () => ({ sync, channels: gateway.size }) }));
  app.route("/", pagesPart(config, config.http.hostname, true, hmac, host));
  const tcp = await part.listenTcp(config.tcp);
  const http = await part.listenHttp(config.http, app);
  let royal: Listening | undefined;
  if (config.royal) {
    royal = stack.use(await royalHttp(config, opened, host).serve(config.royal));
    log.info("the store answers", { royal: royal.url });
  }
  const facts = { http: http.url, tcp: tcp.url, data, sync };
  const running = host.running(stack, facts, () => ({ channels: gateway.size }));
  return {
    http: http.url,
    ws: http.url.replace(/^http/, "ws"),
    tcp: tcp.url,
    royal: royal?.url,
    hmac,
    metrics: host.metrics,
    failed: opened.failed,
    inject: (faults) => opened.inject(faults),
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

/** Both ends of a link in this process. */
function join(gateId: string, gateway: LinkGateway, logic: LogicServer): void {
  const link = new MemoryLink({ gateId, logicId: "chat01" }, gateway, logic);
  logic.attach(link.downlink);
  gateway.attach(link.uplink);
}
