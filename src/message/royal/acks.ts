import type * as rpc from "../../protocol/gen/rpc_messages.ts";
import { CALL } from "../store_calls.ts";
import { MOST } from "../store_checks.ts";
import type { Asker } from "./asker.ts";

interface WaitingAck {
  readonly ack: rpc.CursorReq;
  readonly resolve: (pos: number) => void;
  readonly reject: (error: unknown) => void;
}

/** Read positions on their way to royal: those that wait for the same thing travel together. */
export class Acks {
  readonly #asker: Asker;
  #waiting: WaitingAck[] = [];
  #sending: Promise<void> = Promise.resolve();

  constructor(asker: Asker) {
    this.#asker = asker;
  }

  /** Resolves when all of them are answered. */
  get sending(): Promise<void> {
    return this.#sending;
  }

  /** Asked after `before`, so that it may speak of messages that are being stored. Gives the position it has then. */
  add(ack: rpc.CursorReq, before: Promise<unknown>): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#waiting.push({ ack, resolve, reject });
    if (this.#waiting.length === 1) this.#sending = before.then(() => this.#send());
    return promise;
  }

  async #send(): Promise<void> {
    const all = this.#waiting;
    this.#waiting = [];
    for (let at = 0; at < all.length; at += MOST.acks) {
      const some = all.slice(at, at + MOST.acks);
      try {
        const { positions } = await this.#asker.read(CALL.ack, { acks: some.map(({ ack }) => ack) });
        some.forEach(({ resolve }, i) => resolve(positions[i] ?? 0));
      } catch (thrown) {
        for (const { reject } of some) reject(thrown);
      }
    }
  }
}
