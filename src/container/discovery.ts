import type { Clock, Timer } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { Metrics } from "../base/metrics.ts";
import type { Instance, Naming } from "../naming/naming.ts";

/** A link to one server, which dials until it is told otherwise. */
export interface DialledLink {
  readonly state: "dialling" | "open" | "draining" | "closed";
  /** What came of the last attempt; undefined: it is linked, or none has ended yet. */
  readonly problem: string | undefined;
  /**
   * false: the server is not in naming any more. What is connected stays; what breaks, or is being dialled, is not dialled
   * again and ends: `closed`. true: it is there again.
   */
  keepDialling(on: boolean): void;
  /** Ends it, whatever it does. */
  stop(): Promise<void>;
}

/** How a link is to be made. */
export interface Connecting {
  /** For `Uplink.youngUntilMs`. */
  readonly youngUntilMs: number;
  /** The link is closed for good: it was not to be dialled again. */
  readonly ended: () => void;
}

export interface DiscoveryDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly naming: Naming;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  /** Begins to dial. Does not wait. */
  readonly connect: (instance: Instance, how: Connecting) => DialledLink;
}

/** One server that is, or was, in naming. */
interface Known {
  readonly instance: Instance;
  readonly youngUntilMs: number;
  /** Until it is dialled. */
  timer: Timer | undefined;
  link: DialledLink | undefined;
}

/** proto/WIRE.md "Choosing": a server found later is used only when there is no other, for so long. */
const YOUNG_MS = 10_000;
/** Servers of one service; more are not dialled. */
const MOST_SERVERS = 1_000;
/** Dials to servers that were found together begin within so long, per server and at most. */
const SPREAD = { eachMs: 10, mostMs: 1_000 } as const;
/** After a link could not be made, or ended by itself. */
const AGAIN_MS = 1_000;
const STATES = ["dialling", "open", "draining"] as const;
/** Servers named in a problem. */
const MOST_NAMED = 3;

/**
 * Keeps one link to every server of some services, as naming tells them. Naming says where to dial, not whom to leave: a
 * link that works stays, whether or not its server is told.
 *
 *   told ──► dialling ◄──► open        told with another address or run: another link, this one goes on as not told
 *   not told any more: open stays open; dialling, or open and then broken, ends
 */
export class Discovery implements AsyncDisposable {
  readonly #deps: DiscoveryDeps;
  readonly #services: readonly ServiceLinks[];
  readonly #subscriptions: { stop(): void }[];

  constructor(services: readonly string[], deps: DiscoveryDeps) {
    this.#deps = deps;
    this.#services = services.map((service) => new ServiceLinks(service, deps));
    this.#subscriptions = this.#services.map((one) => deps.naming.subscribe(one.service, (list) => one.told(list)));
    for (const state of STATES) {
      const count = (): number => this.#services.reduce((sum, one) => sum + one.count(state), 0);
      deps.metrics.gauge("petrel_links", "Links to logic servers, by what they do", count, { state });
    }
  }

  /** Why no server is linked, and what came of the last attempt at each; undefined: one is. */
  get problem(): string | undefined {
    if (this.#services.some((one) => one.count("open") > 0)) return undefined;
    const reasons = this.#services.flatMap((one) => one.reasons());
    const named = reasons.slice(0, MOST_NAMED);
    if (reasons.length > named.length) named.push(`and ${reasons.length - named.length} more`);
    return `no logic server: ${named.join("; ") || "naming tells of none"}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.stop();
    const stops = this.#services.flatMap((one) => one.stop());
    for (const stop of await Promise.allSettled(stops)) {
      if (stop.status === "rejected") this.#deps.log.error("stopping a link failed", { error: stop.reason });
    }
  }
}

class ServiceLinks {
  readonly service: string;
  readonly #deps: DiscoveryDeps;
  /** By id: as it was told last. */
  readonly #told = new Map<string, Known>();
  /** Not told any more, or in another place now; each goes when its link ends. */
  readonly #left = new Set<Known>();
  /** Told of in the log. */
  #strange = new Set<string>();
  #isFirst = true;
  #stopped = false;

  constructor(service: string, deps: DiscoveryDeps) {
    this.service = service;
    this.#deps = deps;
  }

  count(state: DialledLink["state"]): number {
    let count = 0;
    for (const { link } of this.#all()) if ((link?.state ?? "dialling") === state) count++;
    return count;
  }

  /** Why each server is not linked. */
  reasons(): string[] {
    return [...this.#all()].map(({ instance, link }) =>
      `${instance.id}: ${link?.problem ?? link?.state ?? "dialling"}`
    );
  }

  told(list: readonly Instance[]): void {
    if (this.#stopped) return;
    const usable = this.#usable(list);
    const ids = new Set(usable.map(({ id }) => id));
    for (const known of [...this.#told.values()]) if (!ids.has(known.instance.id)) this.#leave(known);
    const fresh = usable.filter((instance) => !this.#stays(instance));
    // What is there when this process comes up has been there for others: it is no newcomer.
    const youngUntilMs = this.#isFirst ? 0 : this.#deps.clock.mono() + YOUNG_MS;
    this.#isFirst = false;
    const withinMs = Math.min(SPREAD.mostMs, SPREAD.eachMs * (fresh.length - 1));
    for (const instance of fresh) this.#enter(instance, youngUntilMs, this.#deps.random() * withinMs);
  }

  stop(): Promise<void>[] {
    this.#stopped = true;
    const stops: Promise<void>[] = [];
    for (const { timer, link } of this.#all()) {
      timer?.stop();
      if (link) stops.push(link.stop());
    }
    this.#told.clear();
    this.#left.clear();
    return stops;
  }

  *#all(): Iterable<Known> {
    yield* this.#told.values();
    yield* this.#left;
  }

  #usable(list: readonly Instance[]): Instance[] {
    const { log } = this.#deps;
    const strange = new Set<string>();
    const usable = list.filter(({ id, protocol }) => {
      if (protocol === "tcp") return true;
      strange.add(id);
      if (!this.#strange.has(id)) {
        log.warn("server is not linked: links are tcp", { service: this.service, id, protocol });
      }
      return false;
    });
    this.#strange = strange;
    if (usable.length <= MOST_SERVERS) return usable;
    log.error("servers are not linked: too many", { service: this.service, told: usable.length, most: MOST_SERVERS });
    return usable.slice(0, MOST_SERVERS);
  }

  /** Is this the server that is linked already? One that is elsewhere now leaves. */
  #stays(instance: Instance): boolean {
    const known = this.#told.get(instance.id);
    if (known) {
      if (isSame(known.instance, instance)) return true;
      this.#leave(known);
    }
    for (const left of this.#left) {
      if (left.instance.id !== instance.id || !isSame(left.instance, instance)) continue;
      this.#left.delete(left);
      this.#told.set(instance.id, left);
      left.link?.keepDialling(true);
      return true;
    }
    return false;
  }

  #enter(instance: Instance, youngUntilMs: number, delayMs: number): void {
    const known: Known = { instance, youngUntilMs, timer: undefined, link: undefined };
    this.#told.set(instance.id, known);
    if (delayMs > 0) this.#dialLater(known, delayMs);
    else this.#dial(known);
  }

  #dialLater(known: Known, ms: number): void {
    known.timer = this.#deps.clock.after(ms, () => {
      known.timer = undefined;
      this.#dial(known);
    });
  }

  #dial(known: Known): void {
    const { instance, youngUntilMs } = known;
    const { connect, log } = this.#deps;
    try {
      known.link = connect(instance, { youngUntilMs, ended: () => this.#ended(known) });
    } catch (error) {
      log.error("linking a server failed", { service: this.service, id: instance.id, error });
      this.#dialLater(known, AGAIN_MS);
    }
  }

  #leave(known: Known): void {
    this.#told.delete(known.instance.id);
    known.timer?.stop();
    if (!known.link) return;
    this.#left.add(known);
    known.link.keepDialling(false);
  }

  #ended(known: Known): void {
    this.#left.delete(known);
    if (this.#stopped || this.#told.get(known.instance.id) !== known) return;
    // Nobody asked it to end, and no list may come for long.
    known.link = undefined;
    this.#dialLater(known, AGAIN_MS);
  }
}

/** The same run in the same place. A server that does not say its run is known by its address. */
function isSame(one: Instance, other: Instance): boolean {
  return one.host === other.host && one.port === other.port && one.incarnation === other.incarnation &&
    one.zone === other.zone;
}
