import type { FlushList } from "./flush_list.ts";

/** A channel whose connection does not take more for now. */
export interface Backlog {
  readonly queuedBytes: number;
  /** Closes it and drops what waits. */
  overloaded(): void;
}

/** Bytes that may wait in all queues of a process together. */
export const QUEUED_BYTES = 512 << 20;

/**
 * What waits in all queues of a process. Above the limit the channel with the longest queue closes first; nothing is
 * lost, it is in the store. A packet that goes to many channels counts once for each.
 */
export class QueueBudget {
  readonly limitBytes: number;
  #bytes = 0;
  readonly #backlogs = new Set<Backlog>();
  readonly #flush: FlushList;
  #relieving = false;

  constructor(flush: FlushList, limitBytes: number = QUEUED_BYTES) {
    this.#flush = flush;
    this.limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** hot: per packet */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.limitBytes) this.#relieve();
  }

  remove(bytes: number): void {
    this.#bytes -= bytes;
  }

  /** This channel's queue is waiting for its peer. */
  block(backlog: Backlog): void {
    this.#backlogs.add(backlog);
  }

  unblock(backlog: Backlog): void {
    this.#backlogs.delete(backlog);
  }

  #relieve(): void {
    if (this.#relieving) return;
    this.#relieving = true;
    this.#flush.run(); // what only waits for the end of the tick is no backlog
    while (this.#bytes > this.limitBytes) {
      const longest = this.#longest();
      if (!longest) break;
      this.#backlogs.delete(longest);
      longest.overloaded();
    }
    this.#relieving = false;
  }

  #longest(): Backlog | undefined {
    let longest: Backlog | undefined;
    let most = -1;
    for (const one of this.#backlogs) {
      const bytes = one.queuedBytes;
      if (bytes > most) {
        most = bytes;
        longest = one;
      }
    }
    return longest;
  }
}
