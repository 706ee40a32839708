// The agents of a stand-in for Consul: see consul_stand.ts.
import { connect } from "node:net";
import { serveHttp } from "#runtime";
import { type Context, Hono } from "hono";
import type { Listening } from "../../src/comm/ports.ts";

interface CheckRequest {
  readonly CheckID: string;
  readonly Name: string;
  readonly HTTP?: string;
  readonly TCP?: string;
  readonly Interval: string;
  readonly DeregisterCriticalServiceAfter?: string;
  readonly Status?: string;
}

export interface ServiceRequest {
  readonly ID: string;
  readonly Name: string;
  readonly Address: string;
  readonly Port: number;
  readonly Tags: readonly string[] | null;
  readonly Meta: Readonly<Record<string, string>>;
  readonly Check: CheckRequest;
}

/** A service of one agent. */
interface Service {
  readonly request: ServiceRequest;
  status: string;
  criticalSinceMs: number;
  readonly createIndex: number;
  modifyIndex: number;
  readonly timer: ReturnType<typeof setInterval>;
}

/** What goes wrong with answers from now on. */
export interface ConsulFaults {
  /** Every answer has this status. */
  status?: number;
  /** Every answer comes so much later. */
  slowMs?: number;
  /** What is read is this. */
  text?: string;
  /** X-Consul-Index is always this; "": there is none. */
  index?: string;
  /** Blocking queries do not block. */
  hasty?: boolean;
}

/** What an agent needs of its cluster. */
export interface ConsulCluster {
  readonly faults: ConsulFaults;
  readonly asked: string[];
  readonly token: string | undefined;
  duration(text: string): number;
  /** A service is another one: its new index. */
  change(service: string): number;
  /** Who waits for a change looks again. */
  wake(): void;
  health(c: Context): Promise<Response>;
}

/** One agent: what it was told, and its checks. */
export class ConsulAgent {
  readonly services = new Map<string, Service>();
  readonly #node: string;
  readonly #stand: ConsulCluster;
  readonly #app = new Hono();
  #http: Listening | undefined;
  #port = 0;

  constructor(node: string, stand: ConsulCluster) {
    this.#node = node;
    this.#stand = stand;
    this.#app.use(async (c, next) => {
      const { faults, token } = stand;
      stand.asked.push(`${c.req.method} ${c.req.path}`);
      if (faults.slowMs) await new Promise((resolve) => setTimeout(resolve, faults.slowMs));
      if (token !== undefined && c.req.header("x-consul-token") !== token) {
        return c.text("Permission denied: anonymous token lacks permission", 403);
      }
      if (faults.status) return c.text("rpc error: No cluster leader", faults.status as 500);
      if (faults.text !== undefined && c.req.method === "GET") return c.text(faults.text);
      await next();
    });
    this.#app.put("/v1/agent/service/register", async (c) => {
      this.register(await c.req.json());
      return c.body(null);
    });
    this.#app.put("/v1/agent/service/deregister/:id", (c) => {
      this.remove(c.req.param("id"));
      return c.body(null);
    });
    this.#app.get("/v1/agent/service/:id", (c) => {
      const service = this.services.get(c.req.param("id"));
      return service ? c.json(serviceOf(service)) : c.text(`unknown service ID: ${c.req.param("id")}`, 404);
    });
    this.#app.get("/v1/health/service/:service", (c) => stand.health(c));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get isUp(): boolean {
    return this.#http !== undefined;
  }

  async listen(): Promise<void> {
    const at = { hostname: "127.0.0.1", port: this.#port };
    this.#http = await serveHttp(at, (request, env) => this.#app.fetch(request, env));
    this.#port = this.#http.port;
  }

  async stop(): Promise<void> {
    for (const { timer } of this.services.values()) clearInterval(timer);
    const http = this.#http;
    this.#http = undefined;
    this.#stand.wake();
    await http?.[Symbol.asyncDispose]();
  }

  register(request: ServiceRequest): void {
    const before = this.services.get(request.ID);
    clearInterval(before?.timer);
    if (before && before.request.Name !== request.Name) this.#stand.change(before.request.Name);
    const { Name, Check } = request;
    const index = this.#stand.change(Name);
    const status = Check.Status ?? "critical";
    const timer = setInterval(() => void this.#check(service), this.#stand.duration(Check.Interval));
    const createIndex = before?.createIndex ?? index;
    const service: Service = { request, status, criticalSinceMs: 0, createIndex, modifyIndex: index, timer };
    this.services.set(request.ID, service);
  }

  remove(id: string): void {
    const service = this.services.get(id);
    if (!service) return;
    clearInterval(service.timer);
    this.services.delete(id);
    this.#stand.change(service.request.Name);
  }

  /** After a stop: what is known is checked as before. */
  checkAgain(): void {
    for (const [id, { request }] of [...this.services]) {
      this.services.delete(id);
      this.register({ ...request, Check: { ...request.Check, Status: "critical" } });
    }
  }

  healthOf(name: string) {
    const serf = { Node: this.#node, CheckID: "serfHealth", Status: "passing", ServiceID: "", ServiceName: "" };
    return [...this.services.values()].filter(({ request }) => request.Name === name).map((service) => ({
      Node: { Node: this.#node, Address: "127.0.0.1", Datacenter: "dc1" },
      Service: serviceOf(service),
      Checks: [serf, {
        Node: this.#node,
        CheckID: service.request.Check.CheckID,
        Name: service.request.Check.Name,
        Status: service.status,
        ServiceID: service.request.ID,
        ServiceName: name,
      }],
    }));
  }

  async #check(service: Service): Promise<void> {
    const { HTTP, TCP, DeregisterCriticalServiceAfter: after } = service.request.Check;
    const status = HTTP ? await checkHttp(HTTP) : TCP ? await checkTcp(TCP) : service.status;
    if (this.services.get(service.request.ID) !== service || !this.isUp) return;
    if (status !== service.status) {
      service.status = status;
      service.criticalSinceMs = status === "critical" ? performance.now() : 0;
      service.modifyIndex = this.#stand.change(service.request.Name);
    }
    // A minute at least, whatever was asked for.
    const most = after ? Math.max(this.#stand.duration("1m"), this.#stand.duration(after)) : Infinity;
    if (status === "critical" && performance.now() - service.criticalSinceMs > most) this.remove(service.request.ID);
  }
}

function serviceOf({ request, createIndex, modifyIndex }: Service) {
  const { ID, Name, Address, Port, Tags, Meta } = request;
  const indexes = { CreateIndex: createIndex, ModifyIndex: modifyIndex };
  return { ID, Service: Name, Address, Port, Tags, Meta, Weights: { Passing: 1, Warning: 1 }, ...indexes };
}

async function checkHttp(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    await response.body?.cancel();
    return response.ok ? "passing" : response.status === 429 ? "warning" : "critical";
  } catch {
    return "critical"; // nobody answers there
  }
}

function checkTcp(address: string): Promise<string> {
  const at = address.lastIndexOf(":");
  const host = address.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(address.slice(at + 1)), timeout: 1_000 });
    const end = (status: string) => () => {
      socket.destroy();
      resolve(status);
    };
    socket.on("connect", end("passing")).on("error", end("critical")).on("timeout", end("critical"));
  });
}
