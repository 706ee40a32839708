import type { CloseReason } from "../protocol/close_reason.ts";
import type { Agent } from "./listeners.ts";

/** Let in under this id. With `replace` an older channel of the same id is closed, else the newer one is refused. */
export interface Admission<T> {
  readonly id: string;
  readonly data: T;
  readonly replace?: boolean;
}

/** Not let in: `reply` is sent first when there is one. */
export interface Refusal {
  readonly refuse: CloseReason;
  readonly reply?: Uint8Array;
}

/** Decides on a connection's first packet whether it becomes a channel. */
export interface Acceptor<T> {
  /**
   * `packet` may be kept. While a promise is pending the peer is not read; what came already is held. `agent` may be
   * pushed and replied to from now on. Throwing or rejecting closes with INTERNAL.
   */
  accept(agent: Agent, packet: Uint8Array): Admission<T> | Refusal | Promise<Admission<T> | Refusal>;
}

/** Packets that came before the acceptor had decided on the first. */
export class Arrival {
  readonly at = "accepting";
  asked = false;
  readonly #held: Uint8Array[] = [];
  #heldBytes = 0;

  /** Keeps a copy. False: that is more than `limitBytes` in all. */
  hold(packet: Uint8Array, limitBytes: number): boolean {
    this.#heldBytes += packet.length;
    if (this.#heldBytes > limitBytes) return false;
    this.#held.push(packet.slice());
    return true;
  }

  held(): readonly Uint8Array[] {
    return this.#held;
  }
}
