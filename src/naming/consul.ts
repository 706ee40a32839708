import { type Clock, systemClock } from "../base/clock.ts";
import { type Logger, silent } from "../base/logger.ts";
import { livingOf } from "./consul_entry.ts";
import { askHealth } from "./consul_health.ts";
import { ConsulHttp, type ConsulHttpOptions } from "./consul_http.ts";
import { ConsulRegistration, type RegistrationTimes } from "./consul_registration.ts";
import { ConsulWatch, type WatchTimes } from "./consul_watch.ts";
import { hasTags } from "./instances.ts";
import type { Instance, Naming, Registration } from "./naming.ts";
import { Watchers } from "./watchers.ts";

/** `clock`, `log`, `random`, `fetch` and `times` have defaults. */
export interface ConsulNamingOptions extends Pick<ConsulHttpOptions, "url" | "token"> {
  readonly clock?: Clock;
  readonly log?: Logger;
  /** From 0 up to, not including, 1. */
  readonly random?: () => number;
  readonly fetch?: typeof fetch;
  readonly times?: Partial<ConsulTimes>;
}

export type ConsulTimes = WatchTimes & RegistrationTimes;

const TIMES: ConsulTimes = {
  // A connection that went without a word is noticed after it.
  waitMs: 20_000,
  burst: 5,
  rateMs: 1_000,
  graceMs: 6_000,
  backoff: { baseMs: 250, maxMs: 2_500 },
  lookMs: 3_000,
  firstLookMs: 200,
  takenMs: 1_000,
};

/** Servers in Consul, by its HTTP API. Source of the fields: proto/WIRE.md "Choosing". */
export class ConsulNaming implements Naming {
  readonly #http: ConsulHttp;
  readonly #deps: { clock: Clock; log: Logger; random: () => number; http: ConsulHttp; times: ConsulTimes };
  readonly #registrations = new Set<ConsulRegistration>();
  readonly #services = new Map<string, { watch: ConsulWatch; watchers: Watchers }>();

  /** @throws {ImError} CONFIG: the URL is none. */
  constructor(options: ConsulNamingOptions) {
    const { url, token, clock = systemClock, log = silent, random = Math.random } = options;
    this.#http = new ConsulHttp({ url, token, clock, fetch: options.fetch ?? fetch });
    this.#deps = { clock, log, random, http: this.#http, times: { ...TIMES, ...options.times } };
  }

  register(instance: Instance): Registration {
    const registration = new ConsulRegistration(instance, this.#deps);
    this.#registrations.add(registration);
    return {
      get problem() {
        return registration.problem;
      },
      [Symbol.asyncDispose]: async () => {
        await registration[Symbol.asyncDispose]();
        this.#registrations.delete(registration);
      },
    };
  }

  async find(service: string, tags: readonly string[] = []): Promise<Instance[]> {
    const { entries } = await askHealth(this.#http, service, { passing: "1" });
    return livingOf(entries).filter((instance) => hasTags(instance, tags));
  }

  subscribe(service: string, changed: (instances: readonly Instance[]) => void): { stop(): void } {
    let one = this.#services.get(service);
    if (!one) {
      const watchers = new Watchers(this.#deps.log);
      const watch = new ConsulWatch(service, {
        ...this.#deps,
        changed: (entries) => watchers.set(livingOf(entries)),
      });
      this.#services.set(service, one = { watch, watchers });
    }
    const { watch, watchers } = one;
    const added = watchers.add(changed);
    return {
      stop: () => {
        added.stop();
        if (watchers.size > 0 || this.#services.get(service)?.watch !== watch) return;
        this.#services.delete(service);
        watch.stop();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { watch, watchers } of this.#services.values()) {
      watchers.clear();
      watch.stop();
    }
    this.#services.clear();
    await Promise.all([...this.#registrations].map((registration) => registration[Symbol.asyncDispose]()));
    this.#registrations.clear();
    this.#http[Symbol.dispose]();
  }
}
