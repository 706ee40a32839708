import type { Timer } from "../base/clock.ts";
import type { Upstash } from "../upstash/client.ts";
import { hasTags } from "./instances.ts";
import { byId, type Instance, type Naming, type Registration } from "./naming.ts";
import { UpstashRegistration } from "./upstash_registration.ts";
import { LIST, readLists, ServerKeys } from "./upstash_servers.ts";
import { Watchers } from "./watchers.ts";

/** From the end of one look to the next: those who began together drift apart. */
const EVERY_MS = 1_000, SPREAD_MS = 600;
/** After everything was lost, servers have so long to register again before subscribers are told that they are gone. */
const GRACE_MS = 5_000;

/**
 * Naming in a Redis behind Upstash's REST protocol: servers are keys that end, renewed every 1.0 to 1.6 s in the same request
 * that looks for changes. Keys and values: proto/WIRE.md "Storage".
 */
export class UpstashNaming implements Naming {
  readonly #upstash: Upstash;
  readonly #keys: ServerKeys;
  /** The newest last. */
  #registrations: UpstashRegistration[] = [];
  readonly #watchers = new Map<string, Watchers>();
  readonly #known = new Map<string, readonly Instance[]>();
  #timer: Timer | undefined;
  #beating = false;
  #again = false;
  #closed = false;
  #epoch: string | undefined;
  #graceUntilMs = -Infinity;

  /** The client stays its owner's: it is not disposed with this. */
  constructor(upstash: Upstash, options: { readonly prefix?: string } = {}) {
    this.#upstash = upstash;
    this.#keys = new ServerKeys(options.prefix ?? "petrel:");
  }

  register(instance: Instance): Registration {
    const made = new UpstashRegistration(instance, this.#upstash, this.#keys);
    this.#registrations.push(made);
    this.#soon();
    let leaving: Promise<void> | undefined;
    return {
      get problem() {
        return made.problem;
      },
      [Symbol.asyncDispose]: () => leaving ??= this.#leave(made),
    };
  }

  async find(service: string, tags: readonly string[] = []): Promise<Instance[]> {
    const [list] = (await this.#list([service], true)).lists;
    return list!.filter((instance) => hasTags(instance, tags));
  }

  subscribe(service: string, changed: (instances: readonly Instance[]) => void): { stop(): void } {
    let watchers = this.#watchers.get(service);
    if (!watchers) this.#watchers.set(service, watchers = new Watchers(this.#upstash.log));
    const watcher = watchers.add(changed);
    this.#soon();
    return {
      stop: () => {
        watcher.stop();
        if (watchers.size > 0 || this.#watchers.get(service) !== watchers) return;
        this.#watchers.delete(service);
        this.#known.delete(service);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#timer?.stop();
    for (const watchers of this.#watchers.values()) watchers.clear();
    this.#watchers.clear();
    await Promise.all(this.#registrations.map((one) => this.#leave(one)));
  }

  async #leave(made: UpstashRegistration): Promise<void> {
    const at = this.#registrations.indexOf(made);
    if (at < 0) return;
    this.#registrations.splice(at, 1);
    // An older call of the same run speaks for it again.
    if (this.#registrations.some((one) => isSameRun(one, made))) this.#soon();
    else await made.leave();
  }

  /** Looks at the end of the tick, so that what is asked for in one tick travels together. */
  #soon(): void {
    if (this.#beating) return void (this.#again = true);
    this.#beating = true;
    this.#timer?.stop();
    this.#upstash.clock.endOfTick(() => void this.#beat());
  }

  /** Renews and looks, in one request. Never rejects. */
  async #beat(): Promise<void> {
    if (!this.#closed) {
      const epoch = crypto.randomUUID();
      const newest = this.#registrations.filter((one, i, all) =>
        !all.slice(i + 1).some((later) => isSameRun(one, later))
      );
      const renewed = newest.map((one) => one.renew(epoch));
      await Promise.all([...renewed, this.#look()]);
    }
    this.#beating = false;
    if (this.#closed) return;
    const { clock, random } = this.#upstash;
    if (this.#again) {
      this.#again = false;
      this.#soon();
    } else this.#timer = clock.after(EVERY_MS + random() * SPREAD_MS, () => this.#soon());
  }

  /** What cannot be had tells nothing. */
  async #look(): Promise<void> {
    const services = [...this.#watchers.keys()];
    if (services.length === 0) return;
    try {
      const { epoch, lists } = await this.#list(services, false);
      const nowMs = this.#upstash.clock.mono();
      if (this.#epoch !== undefined && epoch !== this.#epoch) {
        if (this.#epoch !== "") {
          this.#graceUntilMs = nowMs + GRACE_MS;
          this.#upstash.log.warn("naming has lost all servers: waiting for them to register again", {});
        }
      }
      this.#epoch = epoch;
      services.forEach((service, i) => this.#tell(service, lists[i]!, nowMs < this.#graceUntilMs));
    } catch {
      // the client has said why
    }
  }

  #tell(service: string, found: readonly Instance[], grace: boolean): void {
    const before = grace ? this.#known.get(service) ?? [] : [];
    const kept = before.filter((one) => !found.some(({ id }) => id === one.id));
    const list = byId([...found, ...kept]);
    const watchers = this.#watchers.get(service);
    if (!watchers) return;
    this.#known.set(service, list);
    watchers.set(list);
  }

  #list(services: readonly string[], repeat: boolean) {
    return this.#upstash.ask({
      what: "find servers",
      repeat,
      command: () => ({
        script: LIST,
        keys: [this.#keys.epoch, ...services.map((service) => this.#keys.ids(service))],
        args: services.map((service) => this.#keys.servers(service)),
      }),
      read: (result) => readLists(result, services.length),
    });
  }
}

function isSameRun({ instance: a }: UpstashRegistration, { instance: b }: UpstashRegistration): boolean {
  return a.service === b.service && a.id === b.id && a.incarnation === b.incarnation;
}
