import { randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { ownCommand } from "../target.ts";
import { dayToken } from "../token.ts";
import { ClusterServer, type ServerPlan } from "./cluster_server.ts";
import { FaultProxy } from "./fault_proxy.ts";
import type { FaultSystem } from "./fault_system.ts";
import { leasesIn, redisCommand } from "./redis_asked.ts";
import { httpReady } from "./role_process.ts";

const APP = "kim";
const HOST = "127.0.0.1";
/** Where a proxy leads before its server is there: nowhere. */
const NOWHERE = { host: HOST, port: 1 };

/**
 * A whole cluster on this machine: Redis behind Upstash's protocol, the store, two chat servers, two WebSocket gateways, a
 * TCP gateway, a router, the HTTP API. Each link between two of them leads through a proxy of ours. @throws {Error} something does not start.
 */
export async function startOwnCluster(): Promise<FaultSystem> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "petrel-faults-"));
  await using stack = new AsyncDisposableStack();
  let passed = false;
  stack.defer(() => {
    if (passed) fs.rmSync(folder, { recursive: true, force: true });
  });
  const cluster = new OwnCluster(folder, stack);
  const system = await cluster.start();
  const running = stack.move();
  return { ...system, passed: () => void (passed = true), [Symbol.asyncDispose]: () => running.disposeAsync() };
}

class OwnCluster {
  readonly #folder: string;
  readonly #stack: AsyncDisposableStack;
  readonly #secret = randomBytes(32).toString("hex");
  readonly #servers: ClusterServer[] = [];
  readonly #links = new Map<string, FaultProxy[]>();
  readonly #urls: string[] = [];
  readonly #straight: string[] = [];
  #redisPort = 0;
  #routerPort = 0;

  constructor(folder: string, stack: AsyncDisposableStack) {
    this.#folder = folder;
    this.#stack = stack;
  }

  async start(): Promise<Omit<FaultSystem, typeof Symbol.asyncDispose>> {
    await this.#redis();
    const upstash = await this.#upstash();
    const royal = await this.#royal();
    await Promise.all([this.#logic("logic01", upstash, royal), this.#logic("logic02", upstash, royal)]);
    await Promise.all([
      this.#gateway("gate01", "gateway", upstash, 0),
      this.#gateway("gate02", "gateway", upstash, 1),
      this.#gateway("tgate01", "tgateway", upstash, 2),
      this.#http("router", upstash, {}, (port) => this.#routerPort = port),
      this.#http("api", upstash, { PETREL_API_KEY: this.#secret }),
    ]);
    return {
      urls: this.#urls,
      straightUrls: this.#straight,
      app: APP,
      token: (account) => dayToken(this.#secret, APP, account),
      lookup: (account) => this.#lookup(account),
      gatewayLeases: () => leasesIn(this.#redisPort),
      targets: this.#servers,
      links: [...this.#links].map(([kind, proxies]) => ({ kind, proxies })),
      folder: this.#folder,
      problems: () => this.#servers.flatMap((one) => one.problems()),
      pids: () => this.#servers.map((one) => [one.name, one.pid] as const),
    };
  }

  async #add(plan: ServerPlan): Promise<void> {
    this.#servers.push(this.#stack.use(await ClusterServer.start(plan, this.#folder)));
  }

  /** A proxy in a link of that kind. */
  async #link(kind: string, port?: number): Promise<FaultProxy> {
    const proxy = this.#stack.use(await FaultProxy.start(port === undefined ? NOWHERE : { host: HOST, port }));
    this.#links.set(kind, [...this.#links.get(kind) ?? [], proxy]);
    return proxy;
  }

  /** What every process of ours is told. */
  #common(id: string): Record<string, string> {
    return {
      PETREL_SERVICE_ID: id,
      PETREL_CLUSTER_SECRET: this.#secret,
      PETREL_LOG: "info",
    };
  }

  #session(upstash: FaultProxy): Record<string, string> {
    return { UPSTASH_REDIS_REST_URL: `http://${HOST}:${upstash.port}`, UPSTASH_REDIS_REST_TOKEN: this.#secret };
  }

  async #redis(): Promise<void> {
    await this.#add({
      name: "redis",
      role: "redis",
      command: "redis-server",
      ports: 1,
      newFirst: false,
      hasClock: false,
      flush: async () => void await redisCommand(this.#redisPort, "FLUSHALL"),
      run: ([port]) => {
        this.#redisPort = port!;
        const words = ["--port", port, "--bind", HOST, "--dir", this.#folder, "--save", "''", "--appendonly", "no"];
        return { arguments: words.join(" "), env: {}, ready: () => redisCommand(port!, "PING").then(() => true) };
      },
    });
  }

  /** Upstash's protocol in front of it. Gives its port. */
  async #upstash(): Promise<number> {
    const redis = await this.#link("upstash-redis", this.#redisPort);
    let at = 0;
    await this.#add({
      name: "upstash",
      role: "upstash",
      command: ownCommand("upstash"),
      ports: 1,
      newFirst: false,
      hasClock: false,
      run: ([port]) => {
        at = port!;
        const words = ["--http", `${HOST}:${port}`, "--redis", `redis://${HOST}:${redis.port}`, "--quiet"];
        return {
          arguments: words.join(" "),
          env: { UPSTASH_REDIS_REST_TOKEN: this.#secret },
          ready: () => upstashReady(port!, this.#secret),
        };
      },
    });
    return at;
  }

  /** The store. Gives its port. */
  async #royal(): Promise<number> {
    let at = 0;
    await this.#add({
      name: "royal",
      role: "royal",
      command: ownCommand("royal"),
      ports: 1,
      newFirst: false, // SQLite is for one process
      hasClock: true,
      run: ([port]) => {
        at = port!;
        return {
          env: {
            PETREL_CLUSTER_SECRET: this.#secret,
            PETREL_LOG: "info",
            PETREL_ROYAL: `${HOST}:${port}`,
            PETREL_DATA: path.join(this.#folder, "royal"),
          },
          ready: httpReady(`http://${HOST}:${port}/ready`),
        };
      },
    });
    return at;
  }

  async #logic(name: string, upstash: number, royal: number): Promise<void> {
    const up = await this.#link("gateway-logic");
    const store = await this.#link("logic-royal", royal);
    const sessions = await this.#link("logic-upstash", upstash);
    await this.#add({
      name,
      role: "logic",
      command: ownCommand("logic"),
      ports: 2,
      newFirst: true,
      hasClock: true,
      run: ([link, monitor], id) => {
        // A new process beside the old one is reached past the proxy until that is free.
        const first = id === name;
        return {
          env: {
            ...this.#common(id),
            ...this.#session(sessions),
            PETREL_LINK: `${HOST}:${link}`,
            PETREL_PUBLIC: `${HOST}:${first ? up.port : link}`,
            PETREL_MONITOR: `${HOST}:${monitor}`,
            PETREL_ROYAL_URL: `http://${HOST}:${store.port}`,
          },
          ready: httpReady(`http://${HOST}:${monitor}/ready`),
          adopted: () => up.target = { host: HOST, port: link! },
        };
      },
    });
  }

  async #gateway(name: string, role: "gateway" | "tgateway", upstash: number, at: number): Promise<void> {
    const clients = await this.#link("client-gateway");
    const sessions = await this.#link("gateway-upstash", upstash);
    const scheme = role === "gateway" ? "ws" : "tcp";
    const end = role === "gateway" ? "/" : "";
    this.#urls[at] = `${scheme}://${HOST}:${clients.port}${end}`;
    await this.#add({
      name,
      role,
      command: ownCommand("gateway"),
      ports: 2,
      newFirst: true,
      hasClock: true,
      run: ([port, monitor], id) => ({
        env: {
          ...this.#common(id),
          ...this.#session(sessions),
          PETREL_HTTP: role === "gateway" ? `${HOST}:${port}` : "off",
          PETREL_TCP: role === "gateway" ? "off" : `${HOST}:${port}`,
          PETREL_DOMAIN: this.#urls[at]!,
          PETREL_MONITOR: `${HOST}:${monitor}`,
          PETREL_DATA: path.join(this.#folder, id),
          PETREL_TOKEN_SECRET: this.#secret,
          PETREL_MESSAGE_RATE: "0",
          PETREL_CONNECTIONS_PER_IP: "0",
        },
        ready: httpReady(`http://${HOST}:${monitor}/ready`),
        adopted: () => {
          clients.target = { host: HOST, port: port! };
          this.#straight[at] = `${scheme}://${HOST}:${port}${end}`;
        },
      }),
    });
  }

  /** A role that only answers HTTP. */
  async #http(
    role: "router" | "api",
    upstash: number,
    env: Readonly<Record<string, string>>,
    adopted?: (port: number) => void,
  ): Promise<void> {
    const sessions = await this.#link(`${role}-upstash`, upstash);
    await this.#add({
      name: role,
      role,
      command: ownCommand(role),
      ports: 1,
      newFirst: true,
      hasClock: true,
      run: ([port], id) => ({
        env: { ...this.#common(id), ...this.#session(sessions), ...env, PETREL_HTTP: `${HOST}:${port}` },
        ready: httpReady(`http://${HOST}:${port}/ready`),
        adopted: () => adopted?.(port!),
      }),
    });
  }

  /** What the router tells a client. @throws {Error} it cannot be asked. */
  async #lookup(account: string): Promise<string[]> {
    const response = await fetch(`http://${HOST}:${this.#routerPort}/api/lookup/${account}`, {
      signal: AbortSignal.timeout(2_000),
    });
    const body = await response.json() as { domains?: unknown };
    const urls = Array.isArray(body.domains) ? body.domains.filter((one) => typeof one === "string") : [];
    if (urls.length === 0) throw new Error(`Cannot look up a gateway: status ${response.status}`);
    return urls;
  }
}

async function upstashReady(port: number, token: string): Promise<boolean> {
  const response = await fetch(`http://${HOST}:${port}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify(["PING"]),
    signal: AbortSignal.timeout(1_000),
  });
  await response.body?.cancel();
  return response.ok;
}
