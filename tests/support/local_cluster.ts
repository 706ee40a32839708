import * as runtime from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { type GatewayConfig, type GatewaySystem, startGateway } from "../../src/cli/gateway_system.ts";
import { type LogicConfig, type LogicSystem, startLogic } from "../../src/cli/logic_system.ts";
import type { Shared } from "../../src/cli/open_shared.ts";
import { type RouterSystem, startRouter } from "../../src/cli/router_system.ts";
import { type RoyalSystem, startRoyal } from "../../src/cli/royal_system.ts";
import { dayToken } from "../../src/load/token.ts";
import { WireClient, type WireClientOptions } from "../../src/load/wire_client.ts";
import type { LoginOptions } from "../../src/load/wire_login.ts";
import { MemoryNaming } from "../../src/naming/memory.ts";
import type { Naming } from "../../src/naming/naming.ts";
import { MemorySessionStore } from "../../src/session/memory.ts";
import { MemoryLeases } from "../../src/session/memory_leases.ts";
import { until } from "./until.ts";

export const SECRET = "a secret of the tests, thirty-two bytes";
const ANY = { hostname: "127.0.0.1", port: 0 } as const;
const COMMON = { clusterSecret: "a cluster secret of the tests" } as const;

/** Naming, leases and sessions of one process, for all its parts. */
export function memoryShared(naming: Naming = new MemoryNaming()): Shared {
  const leases = new MemoryLeases(systemClock);
  const sessions = new MemorySessionStore(systemClock, { devices: 16, leases });
  return {
    naming,
    leases,
    sessions: () => sessions,
    async [Symbol.asyncDispose]() {
      await sessions[Symbol.asyncDispose]();
      await naming[Symbol.asyncDispose]();
    },
  };
}

/** A cluster in this process, of the same parts as in several: real links and a real store, naming and sessions in memory. */
export class LocalCluster implements AsyncDisposable {
  readonly shared: Shared;
  royal!: RoyalSystem;
  router!: RouterSystem;
  readonly logics: LogicSystem[] = [];
  /** Two for WebSockets, one for TCP. */
  readonly gateways: GatewaySystem[] = [];
  readonly #stack = new AsyncDisposableStack();
  readonly #folder: string;

  private constructor(folder: string, naming: Naming | undefined) {
    this.#folder = folder;
    this.shared = memoryShared(naming);
    this.#stack.use(this.shared);
  }

  /** Two chat servers, two WebSocket gateways, a TCP gateway, royal and a router; ready. */
  static async start(folder: string, naming?: Naming): Promise<LocalCluster> {
    const made = await LocalCluster.empty(folder, naming);
    const { shared } = made;
    await made.addLogic();
    await made.addLogic();
    await made.addGateway({ tcp: "off" });
    await made.addGateway({ tcp: "off" });
    await made.addGateway({ http: "off" });
    const router = { ...COMMON, http: ANY, origins: ["*"] };
    made.router = made.#stack.use(await startRouter(router, runtime, silent, shared));
    await made.ready();
    return made;
  }

  /** Royal alone. */
  static async empty(folder: string, naming?: Naming): Promise<LocalCluster> {
    const made = new LocalCluster(folder, naming);
    const store = { data: folder, sync: "full", database: undefined, inboxGroup: 500, retentionDays: 0 } as const;
    made.royal = made.#stack.use(await startRoyal({ ...COMMON, ...store, royal: ANY }, runtime, silent, made.shared));
    return made;
  }

  async addLogic(more: Partial<LogicConfig> = {}): Promise<LogicSystem> {
    const store = { royalUrl: this.royal.url, inboxGroup: 500, devices: 16 };
    const config: LogicConfig = { ...COMMON, link: ANY, monitor: ANY, ...store, ...more };
    const logic = await startLogic(config, runtime, silent, this.shared);
    this.logics.push(this.#stack.use(once(logic)));
    return this.logics.at(-1)!;
  }

  async addGateway(off: Partial<GatewayConfig>): Promise<GatewaySystem> {
    const config: GatewayConfig = {
      ...COMMON,
      http: ANY,
      tcp: ANY,
      monitor: ANY,
      secret: SECRET,
      data: this.#folder,
      messageRate: 0,
      connectionsPerIp: 0,
      origins: ["*"],
      drainMs: 100,
      ...off,
    };
    const gateway = await startGateway(config, runtime, silent, this.shared);
    this.gateways.push(this.#stack.use(once(gateway)));
    return this.gateways.at(-1)!;
  }

  /** Until every process says so. */
  async ready(): Promise<void> {
    for (const { monitor } of [this.royal, ...this.logics, ...this.gateways, this.router]) {
      await until(async () => (await fetch(`${monitor}/ready`)).ok);
    }
  }

  /** At the n-th gateway, by the way it has. */
  login(account: string, gateway: number, options?: WireClientOptions & LoginOptions): Promise<WireClient> {
    const { http, tcp } = this.gateways[gateway]!;
    return WireClient.login(http?.replace(/^http/, "ws") ?? tcp!, dayToken(SECRET, "kim", account), options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** Can be disposed earlier than the cluster. */
function once<T extends AsyncDisposable>(system: T): T {
  let stopped: PromiseLike<void> | undefined;
  return { ...system, [Symbol.asyncDispose]: () => stopped ??= system[Symbol.asyncDispose]() };
}
