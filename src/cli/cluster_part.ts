import type { ListenAt, Listening } from "../comm/ports.ts";
import type { Clock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { addressOf } from "../naming/instances.ts";
import type { Instance, Naming, Registration } from "../naming/naming.ts";
import type { Hmac } from "../protocol/claims.ts";
import type { PublicAddress } from "./cluster_settings.ts";
import { isLoopback } from "./host_port.ts";
import { openShared, type Shared, type SharedConfig } from "./open_shared.ts";
import { reachable } from "./reachable.ts";
import type { ServerProcess } from "./server_process.ts";

/** How a process finds the others of its cluster, and is found. */
export interface ClusterConfig extends SharedConfig {
  /** Default: another one for each run. */
  readonly serviceId?: string | undefined;
  readonly public?: PublicAddress | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly clusterSecret?: string | undefined;
}

/** What naming is told of one server, beside what all servers of a process have alike. */
export interface Told {
  readonly service: string;
  readonly protocol: Instance["protocol"];
  readonly at: ListenAt;
  readonly listening: Listening;
  readonly zone?: string | undefined;
  readonly domain?: string | undefined;
}

/** How often a process looks whether others may come to it. */
const LOOK_MS = 50;
/** Letters and digits behind the name of a process that was given none. */
const ID_BYTES = 4;
const INCARNATION_BYTES = 12;

/** One process among others: its name, its run, and where it finds what all of them share. */
export class ClusterPart implements AsyncDisposable {
  readonly id: string;
  /** One run of this process. */
  readonly incarnation: string;
  /** With the cluster secret. */
  readonly sign: Hmac | undefined;
  readonly shared: Shared;
  readonly #config: ClusterConfig;
  readonly #registrations: Registration[] = [];
  readonly #given: boolean;

  /** @param given what is shared, when it is in this process; for tests. @throws {ImError} CONFIG */
  static async open(kind: string, config: ClusterConfig, host: ServerProcess, given?: Shared): Promise<ClusterPart> {
    return new ClusterPart(kind, config, host, given ?? await openShared(config, host), given !== undefined);
  }

  private constructor(kind: string, config: ClusterConfig, host: ServerProcess, shared: Shared, given: boolean) {
    const { runtime } = host;
    const { serviceId, clusterSecret } = config;
    this.#config = config;
    this.#given = given;
    this.shared = shared;
    this.id = serviceId ?? `${kind}-${runtime.randomBytes(ID_BYTES).toHex()}`;
    this.incarnation = runtime.randomBytes(INCARNATION_BYTES).toHex();
    if (clusterSecret !== undefined) this.sign = runtime.hmacSha256(clusterSecret);
  }

  /** @throws {ImError} CONFIG: there is none. */
  get naming(): Naming {
    if (this.shared.naming) return this.shared.naming;
    throw new ImError("CONFIG", "Cannot find other processes: PETREL_NAMING is needed");
  }

  /** Calls `tell`, which registers, once nothing is in the way of those who come then. Disposing gives up. */
  registerOnce(clock: Clock, problems: readonly (() => string | undefined)[], tell: () => void): Disposable {
    const waiting = clock.every(LOOK_MS, () => {
      if (problems.some((problem) => problem() !== undefined)) return;
      waiting.stop();
      tell();
    });
    return { [Symbol.dispose]: () => waiting.stop() };
  }

  /** Tells naming of a server of this process, if there is a naming. `leave` takes it out. */
  register(told: Told, monitor: { readonly at: ListenAt; readonly listening: Listening }): void {
    const { naming } = this.shared;
    if (!naming) return;
    const { service, protocol, at, listening, zone = "", domain = "" } = told;
    const { host, port } = this.#placeOf(at, listening);
    this.#registrations.push(naming.register({
      service,
      id: this.id,
      incarnation: this.incarnation,
      protocol,
      host,
      port,
      tags: this.#config.tags ?? [],
      zone,
      domain,
      healthUrl: this.#healthUrl(monitor.at, monitor.listening),
    }));
  }

  /** Why others do not find this process, or it does not reach what all share; undefined: all is well. */
  problem(): string | undefined {
    return this.shared.problem?.() ?? this.#registrations.find(({ problem }) => problem !== undefined)?.problem;
  }

  /** What clients are told for a listener of this process: the URL others reach it under. */
  clientUrl(at: ListenAt, listening: Listening): string {
    if (at.unix !== undefined) return ""; // clients come through a proxy, whose address is not known here
    const { host, port } = this.#placeOf(at, listening);
    if (isLoopback(host)) return reachable(listening.url, { hostname: "localhost", port: 0 });
    return `${listening.url.slice(0, listening.url.indexOf("//"))}//${addressOf({ host, port })}`;
  }

  /** Nobody finds this process any more. */
  async leave(): Promise<void> {
    await Promise.all(this.#registrations.splice(0).map((one) => one[Symbol.asyncDispose]()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
    if (!this.#given) await this.shared[Symbol.asyncDispose]();
  }

  #placeOf(at: ListenAt, listening: Listening): { host: string; port: number } {
    const { public: told } = this.#config;
    const own = at.unix !== undefined || at.hostname === "localhost" ? "127.0.0.1" : at.hostname;
    return { host: told?.host ?? own, port: told?.port ?? listening.port };
  }

  #healthUrl(at: ListenAt, { url, port }: Listening): string {
    if (at.unix !== undefined) return "";
    const { public: told } = this.#config;
    if (isLoopback(at.hostname) || told === undefined) return `${url}/health`;
    const scheme = url.slice(0, url.indexOf("//"));
    return `${scheme}//${addressOf({ host: told.host, port })}/health`;
  }
}
