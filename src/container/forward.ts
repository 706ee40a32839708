import { crc32 } from "../protocol/crc32.ts";
import type { Uplink } from "./link.ts";

/** Command prefix (the text before the first dot) to the service that answers it. */
export const SERVICE_OF: ReadonlyMap<string, string> = new Map([["chat", "chat"], ["login", "chat"]]);

/** The service a command belongs to; undefined: not routable, the answer is 301. */
export function serviceOf(command: string): string | undefined {
  const dot = command.indexOf(".");
  return dot <= 0 ? undefined : SERVICE_OF.get(command.slice(0, dot));
}

/**
 * The links to the logic servers of one service, and the choice among them: by account, over ids in sorted order, so
 * that the choice is the same everywhere and only moves when the set changes. Source: proto/WIRE.md "Choosing".
 */
export class Forwarder {
  #links: readonly Uplink[] = [];

  add(link: Uplink): void {
    this.#links = [...this.#links.filter((one) => one !== link), link]
      .sort((a, b) => a.peerId < b.peerId ? -1 : a.peerId > b.peerId ? 1 : 0);
  }

  remove(link: Uplink): void {
    this.#links = this.#links.filter((one) => one !== link);
  }

  /** The server for an account: an open link; undefined when there is none. */
  pick(account: string): Uplink | undefined {
    const open = this.#links.filter((one) => one.state === "open");
    if (open.length < 2) return open[0];
    return open[Math.floor((crc32(account) % (10 * open.length)) / 10)];
  }

  get size(): number {
    return this.#links.length;
  }
}
