import type { Channel } from "./channel.ts";

/** The channels that were let in, by id. */
export class ChannelMap<T> implements Iterable<Channel<T>> {
  readonly #byId = new Map<string, Channel<T>>();

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Channel<T> | undefined {
    return this.#byId.get(id);
  }

  /** False, and nothing changes, when the id is taken. */
  add(channel: Channel<T>): boolean {
    if (this.#byId.has(channel.id)) return false;
    this.#byId.set(channel.id, channel);
    return true;
  }

  /** Puts the channel in the place of the one that has its id; gives that one. */
  replace(channel: Channel<T>): Channel<T> | undefined {
    const old = this.#byId.get(channel.id);
    this.#byId.set(channel.id, channel);
    return old;
  }

  /** Takes out this very channel; another one with its id stays. */
  remove(channel: Channel<T>): void {
    if (this.#byId.get(channel.id) === channel) this.#byId.delete(channel.id);
  }

  [Symbol.iterator](): IterableIterator<Channel<T>> {
    return this.#byId.values();
  }
}
