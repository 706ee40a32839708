import { ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";

export type Listener<Value> = (value: Value) => void;

/** Named events with one typed value each. `Table` maps names to values. */
export class Events<Table> {
  readonly #listeners: { [Name in keyof Table]?: Set<Listener<Table[Name]>> } = {};
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Calls `listener` for every such event from now on; the function returned ends that. */
  on<Name extends keyof Table>(name: Name, listener: Listener<Table[Name]>): () => void {
    const set = this.#listeners[name] ??= new Set<Listener<Table[Name]>>();
    set.add(listener);
    return () => void set.delete(listener);
  }

  /** Listeners run at once, in the order they came; one that throws is logged and the others still run. */
  emit<Name extends keyof Table>(name: Name, value: Table[Name]): void {
    const set = this.#listeners[name];
    if (!set) return;
    for (const listener of [...set]) {
      try {
        listener(value);
      } catch (thrown) {
        this.#log.error("event listener threw", { event: String(name), error: ImError.from(thrown) });
      }
    }
  }
}
