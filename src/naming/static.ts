import { type Logger, silent } from "../base/logger.ts";
import { addressOf, hasTags } from "./instances.ts";
import { byId, type Instance, type Naming, type Registration } from "./naming.ts";
import { parseStaticFile, parseStaticList } from "./static_list.ts";
import { Watchers } from "./watchers.ts";

/**
 * Servers that a setting names, alive or not: nobody is found that is not in the list, and nobody leaves it. Its servers
 * have no incarnation.
 */
export class StaticNaming implements Naming {
  readonly #log: Logger;
  readonly #all: readonly Instance[];
  readonly #watchers = new Set<Watchers>();

  constructor(instances: readonly Instance[], log: Logger = silent) {
    this.#all = byId(instances);
    this.#log = log;
  }

  /**
   * Changes nothing: `problem` says when the list has not this server, or has it elsewhere. A service of which it has none is
   * one that nobody looks for.
   */
  register(instance: Instance): Registration {
    return { problem: this.#problemOf(instance), [Symbol.asyncDispose]: () => Promise.resolve() };
  }

  find(service: string, tags: readonly string[] = []): Promise<Instance[]> {
    return Promise.resolve(this.#of(service).filter((instance) => hasTags(instance, tags)));
  }

  subscribe(service: string, changed: (instances: readonly Instance[]) => void): { stop(): void } {
    const watchers = new Watchers(this.#log);
    this.#watchers.add(watchers);
    watchers.set(this.#of(service));
    const added = watchers.add(changed);
    return {
      stop: () => {
        added.stop();
        this.#watchers.delete(watchers);
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const watchers of this.#watchers) watchers.clear();
    this.#watchers.clear();
    return Promise.resolve();
  }

  #of(service: string): Instance[] {
    return this.#all.filter((instance) => instance.service === service);
  }

  #problemOf(instance: Instance): string | undefined {
    const { service, id, port, protocol } = instance;
    const others = this.#of(service);
    const entry = others.find((one) => one.id === id);
    if (others.length === 0) return undefined;
    const ours = `${service}=${id}@${addressOf(instance)}`;
    if (!entry) {
      const known = others.slice(0, 10).map((one) => one.id).join(", ");
      return `Cannot be found as ${service} ${id}: the static list has no such server (${service}: ${known}); add ${ours}`;
    }
    // A host has many names; the port and what is spoken there are the same under each of them.
    if (entry.port !== port || entry.protocol !== protocol) {
      const listed = `${entry.protocol} at ${addressOf(entry)}`;
      return `Cannot be found as ${service} ${id}: the static list says ${listed}, it is ${protocol} at ${
        addressOf(instance)
      }`;
    }
    return undefined;
  }
}

/**
 * The naming that is written behind `static:`: a list (`parseStaticList`), or the path of a JSON file (`parseStaticFile`)
 * when it begins with `/` or `.`. @throws {ImError} CONFIG; and what `readText` throws.
 */
export function openStaticNaming(written: string, readText: (path: string) => string, log?: Logger): StaticNaming {
  const isPath = /^[/.]/.test(written);
  return new StaticNaming(isPath ? parseStaticFile(readText(written), written) : parseStaticList(written), log);
}
