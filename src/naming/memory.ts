import { type Logger, silent } from "../base/logger.ts";
import { hasTags, nameTaken } from "./instances.ts";
import { byId, type Instance, type Naming, type Registration } from "./naming.ts";
import { Watchers } from "./watchers.ts";

/** One call of `register`. */
interface Entry {
  readonly instance: Instance;
}

/** The servers of one process, in memory. */
export class MemoryNaming implements Naming {
  readonly #log: Logger;
  /** Service, then id: the first is found, the others wait for it to leave. */
  readonly #services = new Map<string, Map<string, Entry[]>>();
  readonly #watchers = new Map<string, Watchers>();

  constructor(log: Logger = silent) {
    this.#log = log;
  }

  register(instance: Instance): Registration {
    const entry: Entry = { instance };
    const { service, id, incarnation } = instance;
    const ids = this.#services.get(service) ?? new Map<string, Entry[]>();
    this.#services.set(service, ids);
    const queue = ids.get(id) ?? [];
    ids.set(id, queue);
    // The same run says where it is now: its newest call counts.
    if (queue[0]?.instance.incarnation === incarnation) queue.unshift(entry);
    else queue.push(entry);
    this.#changed(service);
    const problem = (): string | undefined => {
      const holder = queue[0]?.instance;
      if (holder?.incarnation === incarnation) return undefined;
      return holder ? nameTaken(instance, holder) : `Cannot register ${service} ${id}: it was taken out`;
    };
    return {
      get problem() {
        return problem();
      },
      [Symbol.asyncDispose]: () => {
        const at = queue.indexOf(entry);
        if (at >= 0) queue.splice(at, 1);
        if (at === 0) this.#changed(service);
        if (queue.length === 0 && ids.get(id) === queue) ids.delete(id);
        return Promise.resolve();
      },
    };
  }

  find(service: string, tags: readonly string[] = []): Promise<Instance[]> {
    return Promise.resolve(this.#list(service).filter((instance) => hasTags(instance, tags)));
  }

  subscribe(service: string, changed: (instances: readonly Instance[]) => void): { stop(): void } {
    let watchers = this.#watchers.get(service);
    if (!watchers) this.#watchers.set(service, watchers = new Watchers(this.#log));
    watchers.set(this.#list(service));
    return watchers.add(changed);
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const watchers of this.#watchers.values()) watchers.clear();
    this.#watchers.clear();
    this.#services.clear();
    return Promise.resolve();
  }

  #changed(service: string): void {
    this.#watchers.get(service)?.set(this.#list(service));
  }

  #list(service: string): Instance[] {
    const found: Instance[] = [];
    for (const [first] of this.#services.get(service)?.values() ?? []) if (first) found.push(first.instance);
    return byId(found);
  }
}
