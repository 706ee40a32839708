import type { Hono } from "hono";
import { CHANNEL_RULES } from "../comm/channel_rules.ts";
import type { HttpEnv, ListenAt, Listening } from "../comm/ports.ts";
import { Server } from "../comm/server.ts";
import type { RouteTable } from "../container/route_file.ts";
import type { Hmac } from "../protocol/claims.ts";
import type { ClientChannel } from "../services/gateway/client_channel.ts";
import { GatewayClients } from "../services/gateway/clients.ts";
import { GATEWAY_DEFAULTS } from "../services/gateway/config.ts";
import { depart } from "../services/gateway/departure.ts";
import { Gateway } from "../services/gateway/gateway.ts";
import { upgradeRoute } from "../services/gateway/upgrade.ts";
import type { Leases } from "../session/leases.ts";
import { openRevocationFile, revocationFile } from "./revocation_file.ts";
import type { ServerProcess } from "./server_process.ts";

export interface GatewayPartConfig {
  readonly serviceId: string;
  /** Signs and checks tokens. */
  readonly secret: string;
  /** Has the list of who is let in no more. */
  readonly data: string;
  readonly messageRate: number;
  readonly connectionsPerIp: number;
  readonly origins: readonly string[];
  readonly drainMs: number;
  /** One run of a gateway whose sessions count while it holds a lease; default: they always count. */
  readonly incarnation?: string | undefined;
  readonly leases?: Leases | undefined;
  /** Zones of chat servers; default: they do not matter. */
  readonly zones?: RouteTable | undefined;
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

/** Connections that have not logged in yet; more are refused until some have, or their time is over. */
const MOST_ARRIVALS = 20_000;

/**
 * A gateway and its listeners, but not its links. Disposing asks the clients to leave, one after another, each when what it
 * asked was answered.
 */
export class GatewayPart implements AsyncDisposable {
  readonly gateway: Gateway;
  readonly hmac: Hmac;
  /** WebSocket clients, on any path. */
  readonly upgrades: Hono<{ Bindings: HttpEnv }>;
  readonly #host: ServerProcess;
  readonly #server: Server<ClientChannel>;
  readonly #drainMs: number;

  constructor(config: GatewayPartConfig, host: ServerProcess) {
    const { clock, log, metrics } = host;
    const { serviceId, incarnation = "", messageRate, connectionsPerIp, origins, drainMs } = config;
    this.#host = host;
    this.#drainMs = drainMs;
    this.hmac = host.runtime.hmacSha256(config.secret);
    const revocations = openRevocationFile(revocationFile(config.data), clock, log);
    const own = { serviceId, incarnation, messageRate, connectionsPerIp, origins, drainMs };
    const { leases, zones: routes } = config;
    const deps = { clock, log, metrics, hmac: this.hmac, revocations, leases, routes };
    this.gateway = new Gateway({ ...GATEWAY_DEFAULTS, ...own }, deps);
    const clients = new GatewayClients(this.gateway);
    const { loginWaitMs, readWaitMs, oldestMs } = { ...GATEWAY_DEFAULTS, ...CHANNEL_RULES, ...config.deadlines };
    const rules = { ...CHANNEL_RULES, readWaitMs, oldestMs };
    const listeners = { acceptor: clients, messages: clients, states: clients };
    const server = this.#server = new Server<ClientChannel>(
      { connectionsPerIp, drainMs: 0, loginWaitMs, rules, arrivals: MOST_ARRIVALS },
      { clock, log, metrics, ...listeners },
    );
    metrics.gauge("petrel_connections", "Client connections, also those not logged in", () => server.connections);
    metrics.gauge("petrel_queued_bytes", "Bytes waiting to be sent to clients", () => server.budget.bytes);
    this.upgrades = upgradeRoute({ origins, accept: (remote) => server.acceptFrom(remote) });
  }

  /** TCP clients. */
  async listenTcp(at: ListenAt): Promise<Listening> {
    const tcp = await this.#host.runtime.listenTcp(this.#host.at(at), this.#server.accept);
    this.#server.listening(tcp);
    return tcp;
  }

  /** What the app answers; `upgrades` belong into it. */
  async listenHttp(at: ListenAt, app: Hono<{ Bindings: HttpEnv }>): Promise<Listening> {
    const http = await this.#host.serveClients(at, app);
    this.#server.listening(http);
    return http;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.stopAccepting(); // who comes now goes to another gateway
    await depart(this.gateway, this.#drainMs);
    await this.#server.stop();
    await this.gateway.release();
    this.gateway[Symbol.dispose]();
  }
}
