import { Hono } from "hono";
import manifest from "../../package.json" with { type: "json" };
import { systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import { CHANNEL_RULES } from "../comm/channel_rules.ts";
import { behindProxies } from "../comm/forwarded.ts";
import type { Fetch, HttpEnv, ListenAt, Listening, Runtime } from "../comm/ports.ts";
import { Server } from "../comm/server.ts";
import { MemoryLink } from "../container/memory_link.ts";
import { Snowflake, snowflakeAt } from "../id/snowflake.ts";
import { Batcher } from "../message/batcher.ts";
import { RoomChanges } from "../message/room_changes.ts";
import { type Hmac, makeToken } from "../protocol/claims.ts";
import type { ClientChannel } from "../services/gateway/client_channel.ts";
import { GatewayClients } from "../services/gateway/clients.ts";
import { GATEWAY_DEFAULTS } from "../services/gateway/config.ts";
import { Gateway } from "../services/gateway/gateway.ts";
import { upgradeRoute } from "../services/gateway/upgrade.ts";
import { LogicServer } from "../services/logic/logic.ts";
import { RoomWatch } from "../services/logic/room/watch.ts";
import { monitorApp } from "../services/monitor/app.ts";
import { pageApp } from "../services/page/app.ts";
import { demoTokenApp } from "../services/page/demo_token.ts";
import { routerApp } from "../services/router/app.ts";
import { localGateways } from "../services/router/local_gateways.ts";
import { MemorySessionStore } from "../session/memory.ts";
import { readFaults } from "./faults.ts";
import { pageLoader } from "./load_page.ts";
import { openStore } from "./open_store.ts";
import { royalHttp } from "./royal_http.ts";
import { measureProcess } from "./process_metrics.ts";
import { prometheusText } from "./prometheus.ts";
import { TlsFiles } from "./tls_files.ts";
import { openRevocationFile, revocationFile } from "./revocation_file.ts";

export interface DevConfig {
  readonly http: ListenAt;
  readonly tcp: ListenAt;
  readonly data: string;
  readonly sync: "full" | "normal";
  readonly secret: string;
  readonly serviceId: string;
  readonly node: number;
  readonly devices: number;
  readonly messageRate: number;
  readonly connectionsPerIp: number;
  readonly origins: readonly string[];
  /** TLS on every port, from these two files. */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** Which peers are proxies; `unix` for those on unix sockets. */
  readonly trustedProxies?: ((ip: string) => boolean) | undefined;
  /** What the router tells clients in place of the address they asked with. */
  readonly domain?: string | undefined;
  readonly public?: readonly string[] | undefined;
  readonly drainMs: number;
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
  /** May anybody have a token for any name, as the chat page needs it? Default: no. */
  readonly demo?: boolean;
  /** Deadlines other than the usual ones; for tests. */
  readonly deadlines?: Deadlines;
}

/** In ms. */
export interface Deadlines {
  /** From the accepted connection to the login packet. */
  readonly loginWaitMs?: number;
  /** Nothing received for so long closes a channel. */
  readonly readWaitMs?: number;
  /** A byte that waits longer to be sent closes the channel. */
  readonly oldestMs?: number;
}

/** A running system. Disposing stops it gracefully. */
export interface DevSystem extends AsyncDisposable {
  /** `http://localhost:8000`, with the port really bound; `https:` with TLS, `http+unix:/path`, and likewise the others. */
  readonly http: string;
  readonly ws: string;
  readonly tcp: string;
  /** Where the store answers; undefined: nowhere. */
  readonly royal: string | undefined;
  readonly hmac: Hmac;
  readonly metrics: Metrics;
  /** Resolves when the process must end: the store cannot say what became of a batch. */
  readonly failed: Promise<Error>;
  /** For tests: orders failures of the store (message/sqlite/faults.ts). Needs a `fault` in the config, "" will do. */
  inject(faults: string): Promise<void>;
}

/** Connections that have not logged in yet; more are refused until some have, or their time is over. */
const MOST_ARRIVALS = 20_000;
/** Requests under way get this long to be answered at a stop. */
const ANSWERS_MS = 2_000;

/**
 * Every role in one process: gateway on WebSocket and TCP, logic, SQLite, sessions in memory, health and metrics.
 * Throws with everything undone when something cannot start. @throws {ImError} CONFIG: port taken, folder in use.
 */
export async function startDev(config: DevConfig, runtime: Runtime, log: Logger): Promise<DevSystem> {
  await using stack = new AsyncDisposableStack();
  const clock = systemClock;
  const metrics = new Metrics();
  stack.use(measureProcess(metrics, clock));
  const { tlsCert, tlsKey, trustedProxies: isProxy } = config;
  const tls = tlsCert === undefined || tlsKey === undefined
    ? undefined
    : stack.use(await TlsFiles.open({ cert: tlsCert, key: tlsKey }, { clock, log, metrics }));
  const faults = readFaults(config.fault, clock);
  const { data, sync, node, database, inboxGroup = 500, retentionDays = 0, royalUrl, clusterSecret } = config;
  const changes = new RoomChanges(crypto.randomUUID());
  const kept = { royalUrl, clusterSecret, database, data, sync, node, inboxGroup, retentionDays, faults: faults.store };
  const opened = stack.use(await openStore(kept, { clock, log, metrics, changes }));
  const { store } = opened;
  const batcher = stack.use(new Batcher(store, { clock, metrics }));
  const generations = new Snowflake(clock, config.node, snowflakeAt(clock.now()));
  const logic = new LogicServer({
    clock,
    log,
    metrics,
    sessions: stack.use(new MemorySessionStore(clock, { devices: config.devices })),
    messages: store,
    batcher,
    newGeneration: () => generations.next(),
    afterReply: faults.afterReply,
  });
  stack.defer(() => logic.drained());
  stack.defer(() => opened.hurry()); // all clients are gone by now
  const { roomChanges: since } = opened;
  stack.use(new RoomWatch({ clock, log, since, changed: (change) => logic.roomChanged(change) }));

  const hmac = runtime.hmacSha256(new TextEncoder().encode(config.secret));
  const { serviceId, messageRate, connectionsPerIp, origins, drainMs } = config;
  const gateway = stack.use(
    new Gateway({ ...GATEWAY_DEFAULTS, serviceId, messageRate, connectionsPerIp, origins, drainMs }, {
      clock,
      log,
      metrics,
      hmac,
      revocations: openRevocationFile(revocationFile(config.data), clock, log),
    }),
  );
  const link = new MemoryLink({ gateId: serviceId, logicId: "chat01" }, gateway, logic);
  logic.attach(link.downlink);
  gateway.attach(link.uplink);

  const clients = new GatewayClients(gateway);
  const { loginWaitMs, readWaitMs, oldestMs } = { ...GATEWAY_DEFAULTS, ...CHANNEL_RULES, ...config.deadlines };
  const rules = { ...CHANNEL_RULES, readWaitMs, oldestMs };
  const server = stack.use(
    new Server<ClientChannel>({ connectionsPerIp, drainMs, loginWaitMs, rules, arrivals: MOST_ARRIVALS }, {
      clock,
      log,
      metrics,
      acceptor: clients,
      messages: clients,
      states: clients,
    }),
  );
  stack.defer(() => gateway.quiesce(ANSWERS_MS));
  metrics.gauge("petrel_connections", "Client connections, also those not logged in", () => server.connections);
  metrics.gauge("petrel_queued_bytes", "Bytes waiting to be sent to clients", () => server.budget.bytes);

  const app = new Hono<{ Bindings: HttpEnv }>();
  app.route("/", upgradeRoute({ origins, accept: (remote) => server.acceptFrom(remote) }));
  app.route(
    "/",
    monitorApp({
      problem: () => opened.health().problem ?? (gateway.ready ? undefined : "no logic server"),
      facts: () => ({
        version: manifest.version,
        runtime: runtime.name,
        sync: config.sync,
        channels: gateway.size,
        ...(tls && { tlsDaysLeft: Math.floor(tls.daysLeft) }),
      }),
      metrics: () => prometheusText(metrics),
    }),
  );
  const { demo = false } = config;
  const pageFacts = { version: manifest.version, runtime: `${runtime.name} ${runtime.version}` };
  const files = pageLoader(runtime.bundle, { ...pageFacts, demo: demo ? "on" : "off" });
  app.route("/", pageApp({ files, log }));
  app.route(
    "/",
    demoTokenApp({ sign: (account) => demoToken(account, hmac), clock, on: demo, ownName: config.http.hostname }),
  );
  const told = [...(config.domain === undefined ? [] : [config.domain]), ...(config.public ?? [])];
  app.route("/", routerApp({ pick: localGateways(told), clock, origins }));
  app.notFound((c) => c.json({ code: "NOT_FOUND", message: `Nothing is at ${c.req.path}` }, 404));

  const options = { clock, log, ...(tls && { tls }), ...(isProxy && { isProxy }) };
  const tcp = await runtime.listenTcp({ ...config.tcp, ...options }, server.accept);
  server.listening(tcp);
  const fetch: Fetch = (request, env) => app.fetch(request, env);
  const http = await runtime.serveHttp({ ...config.http, ...options }, isProxy ? behindProxies(isProxy, fetch) : fetch);
  server.listening(http);
  let royal: Listening | undefined;
  if (config.royal) {
    const { serve } = royalHttp(config, { clock, log, metrics, opened, changes });
    royal = stack.use(await serve({ ...config.royal, ...options }, runtime.serveHttp));
    log.info("the store answers", { royal: royal.url });
  }
  log.info("started", { http: http.url, tcp: tcp.url, data: config.data, sync: config.sync });

  const running = stack.move();
  return {
    http: http.url,
    ws: http.url.replace(/^http/, "ws"),
    tcp: tcp.url,
    royal: royal?.url,
    hmac,
    metrics,
    failed: opened.failed,
    inject: (faults) => opened.inject(faults),
    async [Symbol.asyncDispose]() {
      log.info("stopping", { channels: gateway.size });
      await running.disposeAsync();
      log.info("stopped");
    },
  };
}

const DEMO_TOKEN_SECONDS = 24 * 3600;

function demoToken(acc: string, hmac: Hmac): string {
  return makeToken({ acc, app: "kim", exp: Math.floor(systemClock.now() / 1000) + DEMO_TOKEN_SECONDS }, hmac);
}

/** What a person is told when the system cannot start. */
export function startProblem(thrown: unknown): string {
  const error = ImError.from(thrown, "Cannot start");
  return error.code === "CONFIG" ? error.message : `Cannot start: ${String(thrown)}`;
}
