// A stand-in for Consul, for tests: a few of its HTTP calls, written from its API documentation (Agent/Service, Agent/Check,
// Health, Blocking Queries), not Consul itself. Leaders, gossip, ACL policies and other data centres are not here; the
// catalogue of a cluster is one list, and what an agent is told is in it at once.
import type { Context } from "hono";
import { ConsulAgent, type ConsulCluster, type ConsulFaults, type ServiceRequest } from "./consul_agent.ts";

export interface ConsulStandOptions {
  /** One when not given. */
  readonly agents?: number;
  /** Every time that Consul is told, or has of its own, is so many times shorter. 20 when not given. */
  readonly speed?: number;
  /** When given, others are refused. */
  readonly token?: string;
}

/** A cluster of Consul agents with one catalogue. */
export class ConsulStand implements ConsulCluster, AsyncDisposable {
  faults: ConsulFaults = {};
  /** `METHOD path` of every request, oldest first. */
  readonly asked: string[] = [];
  readonly #options: Required<Omit<ConsulStandOptions, "token">> & { readonly token: string | undefined };
  readonly #agents: ConsulAgent[] = [];
  readonly #waiting = new Set<() => void>();
  #index = 10;
  #restored = 0;
  /** By service: the index of its last change, also when nothing is left of it. */
  readonly #changed = new Map<string, number>();

  static async start(options: ConsulStandOptions = {}): Promise<ConsulStand> {
    const stand = new ConsulStand(options);
    for (let i = 0; i < stand.#options.agents; i++) await stand.#agents[i]!.listen();
    return stand;
  }

  private constructor({ agents = 1, speed = 20, token }: ConsulStandOptions) {
    this.#options = { agents, speed, token };
    for (let i = 0; i < agents; i++) this.#agents.push(new ConsulAgent(`node${i}`, this));
  }

  get token(): string | undefined {
    return this.#options.token;
  }

  /** Where an agent answers. */
  url(agent = 0): string {
    return this.#agents[agent]!.url;
  }

  /** Ids that an agent has, sorted. */
  idsAt(agent = 0): string[] {
    return [...this.#agents[agent]!.services.keys()].sort();
  }

  /** An agent ends: nobody listens, its checks stop, what it has is kept or lost with its process. */
  async kill(agent = 0): Promise<void> {
    await this.#agents[agent]!.stop();
  }

  /** It is there again on the same port. Without `keep` it has forgotten its services, and the index begins anew. */
  async revive(agent = 0, options: { readonly keep: boolean } = { keep: false }): Promise<void> {
    const one = this.#agents[agent]!;
    if (options.keep) one.checkAgain();
    else {
      for (const id of [...one.services.keys()]) one.remove(id);
      this.#index = 1;
      this.#changed.clear();
    }
    await one.listen();
  }

  /** As after an older snapshot was put back: what is there stays, every index is lower, nobody waits on. */
  turnBack(): void {
    this.#restored++;
    this.#index = 2;
    for (const service of this.#changed.keys()) this.#changed.set(service, 2);
    this.wake();
  }

  /** One answered by mistake of an operator: an entry that no server of ours would make. */
  put(agent: number, request: Partial<ServiceRequest> & { ID: string; Name: string }): void {
    const check = { CheckID: "odd", Name: "odd", Interval: "1h", Status: "passing" };
    const usual = { Address: "", Port: 1, Tags: [], Meta: {}, Check: check };
    this.#agents[agent]!.register({ ...usual, ...request });
  }

  /** A duration of Go, in ms of this stand. */
  duration(text: string): number {
    let ms = 0;
    for (const [, count, unit] of text.matchAll(/([\d.]+)(ms|s|m|h)/g)) {
      ms += Number(count) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[unit as "ms"]!;
    }
    return ms / this.#options.speed;
  }

  change(service: string): number {
    this.#index++;
    this.#changed.set(service, this.#index);
    this.wake();
    return this.#index;
  }

  wake(): void {
    for (const run of [...this.#waiting]) run();
  }

  /** `GET /v1/health/service/:service`. */
  async health(c: Context): Promise<Response> {
    const service = c.req.param("service")!;
    const { index, wait = "5m" } = c.req.query();
    if (index !== undefined && !this.faults.hasty) {
      const most = Math.min(this.duration(wait), this.duration("10m"));
      await this.#until(() => this.#indexOf(service) > Number(index), most + Math.random() * most / 16);
    }
    const tags = c.req.queries("tag") ?? [];
    const found = this.#agents.flatMap((agent) => agent.healthOf(service))
      .filter(({ Service, Checks }) =>
        tags.every((tag) => Service.Tags?.includes(tag)) &&
        (c.req.query("passing") === undefined || Checks.every((check) => check.Status === "passing"))
      );
    const said = this.faults.index ?? String(this.#indexOf(service));
    return c.json(found, 200, said === "" ? {} : { "X-Consul-Index": said });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents) {
      await agent.stop();
      for (const id of [...agent.services.keys()]) agent.remove(id);
    }
  }

  #indexOf(service: string): number {
    return this.#changed.get(service) ?? Math.min(this.#index, 10);
  }

  async #until(isSo: () => boolean, ms: number): Promise<void> {
    const end = performance.now() + ms;
    const restored = this.#restored;
    while (!isSo() && performance.now() < end) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, end - performance.now());
        this.#waiting.add(done);
      });
      if (this.#restored !== restored || this.#agents.every(({ isUp }) => !isUp)) return;
    }
  }
}
