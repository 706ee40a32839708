import { ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Arrival, Message } from "./message.ts";

/** A handler may be asynchronous: the next message waits for it. */
export type MessageHandler = (message: Message) => void | Promise<void>;

/** One step of the inbox or of a room in its order. Without a message it only moves the place (our own talk, a repetition). */
export interface Step extends Arrival {
  /** Position in the inbox; 0: stands for none. */
  readonly pos: number;
  /** Counts the logs: a position means nothing in another one. */
  readonly log: number;
}

/** Steps that may wait for handlers: two sync pages. What comes on top is fetched again later. */
const ROOM = 400;
/** Message ids that are remembered. */
const SEEN = 512;

/**
 * Hands messages to the handlers, one at a time and in order, and remembers which it has handed over. As long as
 * nobody listens, messages wait here.
 */
export class Delivery {
  readonly #log: Logger;
  readonly #handled: (step: Step) => void;
  readonly #roomAgain: () => void;
  readonly #handlers = new Set<MessageHandler>();
  readonly #seen = new Set<bigint>();
  readonly #queuedIds = new Set<bigint>();
  #queue: Step[] = [];
  #at = 0;
  #busy = false;
  #running: Promise<void> | undefined;
  #closed = false;

  /** `handled`: after the handlers of a step. `roomAgain`: after there was none, half of it is free. */
  constructor(log: Logger, handled: (step: Step) => void, roomAgain: () => void) {
    this.#log = log;
    this.#handled = handled;
    this.#roomAgain = roomAgain;
  }

  /** How many more steps may be added. */
  get room(): number {
    return ROOM - (this.#queue.length - this.#at);
  }

  /** The last ids handed over, oldest first. */
  get seen(): readonly bigint[] {
    return [...this.#seen];
  }

  /** This message is not handed over again. */
  markSeen(id: bigint): void {
    if (id === 0n) return;
    this.#seen.delete(id);
    this.#seen.add(id);
    if (this.#seen.size > SEEN) { for (const oldest of this.#seen) return void this.#seen.delete(oldest); }
  }

  /** A handler for every message from now on; the function returned takes it away. */
  onMessage(handler: MessageHandler): () => void {
    this.#handlers.add(handler);
    this.#start();
    return () => void this.#handlers.delete(handler);
  }

  /** The next step. A message that was handed over before, or waits already, only moves the position. */
  add(step: Step): void {
    const { messageId } = step;
    const known = this.#seen.has(messageId) || this.#queuedIds.has(messageId);
    this.#queue.push(known && step.message ? { ...step, message: undefined } : step);
    if (!known && messageId !== 0n) this.#queuedIds.add(messageId);
    this.#start();
  }

  /** No handler is called any more. One that runs is not interrupted and its step still counts: resolves after it. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#running ?? Promise.resolve();
  }

  #start(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#closed && this.#at < this.#queue.length) {
      const step = this.#queue[this.#at]!;
      if (step.message && this.#handlers.size === 0) break;
      this.#at++;
      if (step.message) {
        // Not awaited when nobody needs it, so that a burst of messages is one turn.
        const waits = this.#hand(step.message);
        if (waits) await waits;
      }
      this.#done(step);
    }
    this.#busy = false;
  }

  #hand(message: Message): Promise<void> | undefined {
    const waits: Promise<void>[] = [];
    for (const handler of [...this.#handlers]) {
      try {
        const wait = handler(message);
        if (wait) waits.push(wait.catch((thrown) => this.#threw(message, thrown)));
      } catch (thrown) {
        this.#threw(message, thrown);
      }
    }
    return waits.length > 0 ? Promise.all(waits).then(() => {}) : undefined;
  }

  /** The message counts as handled: handing it over for ever would stop the inbox. */
  #threw(message: Message, thrown: unknown): void {
    this.#log.error("message handler threw", { messageId: String(message.messageId), error: ImError.from(thrown) });
  }

  #done(step: Step): void {
    this.#queuedIds.delete(step.messageId);
    this.markSeen(step.messageId);
    const waiting = this.#queue.length - this.#at;
    if (this.#at >= ROOM || waiting === 0) {
      this.#queue = this.#queue.slice(this.#at);
      this.#at = 0;
    }
    this.#handled(step);
    if (waiting === ROOM >> 1) this.#roomAgain();
  }
}
