import type { Logger } from "../base/logger.ts";
import { sameInstances } from "./instances.ts";
import type { Instance } from "./naming.ts";

type Changed = (instances: readonly Instance[]) => void;

/**
 * Those who subscribed to one service. Each is told what is known, later than its call of `add`, and then every change;
 * what changes twice before it is told is told once. One that throws is logged, and told again next time.
 */
export class Watchers {
  readonly #log: Logger;
  /** What each was told last. */
  readonly #told = new Map<Changed, { list: readonly Instance[] | undefined }>();
  #known: readonly Instance[] | undefined;
  #queued = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  get size(): number {
    return this.#told.size;
  }

  add(changed: Changed): { stop(): void } {
    const own: Changed = (instances) => changed(instances);
    this.#told.set(own, { list: undefined });
    this.#queue();
    return { stop: () => void this.#told.delete(own) };
  }

  /** The list is this now, sorted by id. */
  set(known: readonly Instance[]): void {
    if (this.#known && sameInstances(this.#known, known)) return;
    this.#known = known;
    this.#queue();
  }

  clear(): void {
    this.#told.clear();
  }

  #queue(): void {
    if (this.#queued || !this.#known) return;
    this.#queued = true;
    queueMicrotask(() => this.#tell());
  }

  #tell(): void {
    this.#queued = false;
    const known = this.#known!;
    for (const [changed, told] of [...this.#told]) {
      if (told.list === known || !this.#told.has(changed)) continue;
      told.list = known;
      try {
        changed(known);
      } catch (error) {
        this.#log.error("a subscriber of naming failed", { error });
      }
    }
  }
}
