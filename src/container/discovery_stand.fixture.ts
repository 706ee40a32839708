import { FakeClock } from "../base/fake_clock.ts";
import { silent } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import type { Instance, Naming } from "../naming/naming.ts";
import { type Connecting, type DialledLink, Discovery } from "./discovery.ts";

/** A link that does as it is told. */
class TestLink implements DialledLink {
  state: DialledLink["state"] = "dialling";
  problem: string | undefined;
  dials = true;
  stopped = false;
  readonly instance: Instance;
  readonly how: Connecting;

  constructor(instance: Instance, how: Connecting) {
    this.instance = instance;
    this.how = how;
  }

  keepDialling(on: boolean): void {
    this.dials = on;
    if (!on && this.state === "dialling") this.#end();
  }

  /** The connection breaks. */
  break(): void {
    if (this.dials) this.state = "dialling";
    else this.#end();
  }

  stop(): Promise<void> {
    this.stopped = true;
    this.state = "closed";
    return Promise.resolve();
  }

  #end(): void {
    this.state = "closed";
    this.how.ended();
  }
}

/** A chat server as naming tells it. */
export function server(id: string, more: Partial<Instance> = {}): Instance {
  const where = { host: "127.0.0.1", port: 8005, incarnation: `run-of-${id}`, protocol: "tcp" as const };
  return { service: "chat", id, ...where, tags: [], zone: "", domain: "", healthUrl: "", ...more };
}

/** A discovery, and naming that says what the test says. */
export class Stand implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly metrics = new Metrics();
  readonly links: TestLink[] = [];
  readonly logged: string[] = [];
  readonly discovery: Discovery;
  subscribed: string[] = [];
  #tell: (list: readonly Instance[]) => void = () => {};
  fails = false;

  constructor(random = () => 0) {
    const naming: Pick<Naming, "subscribe"> = {
      subscribe: (service, changed) => {
        this.subscribed.push(service);
        this.#tell = changed;
        return { stop: () => this.subscribed = this.subscribed.filter((one) => one !== service) };
      },
    };
    const write = (message: string) => void this.logged.push(message);
    this.discovery = new Discovery(["chat"], {
      clock: this.clock,
      log: { ...silent, warn: write, error: write },
      metrics: this.metrics,
      naming: naming as Naming,
      random,
      connect: (instance, how) => {
        if (this.fails) throw new Error("The test's connect fails");
        const link = new TestLink(instance, how);
        this.links.push(link);
        return link;
      },
    });
  }

  told(...list: readonly Instance[]): void {
    this.#tell(list);
  }

  /** The links that are not closed, by id. */
  get live(): string[] {
    return this.links.filter(({ state }) => state !== "closed").map(({ instance }) => instance.id);
  }

  count(state: string): number {
    return this.metrics.read("petrel_links", { state });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.discovery[Symbol.asyncDispose]();
  }
}
