import type { CloseReason } from "../../protocol/close_reason.ts";
import type { ClientChannel } from "./client_channel.ts";

/** Ticks that closing many channels is spread over: their clients come back at once. */
const TICKS = 40;

/** Closes many channels, a part of them at each tick. */
export class Leaving {
  #channels: ClientChannel[] = [];
  #atOnce = 1;
  #why: CloseReason | undefined;

  add(channels: Iterable<ClientChannel>, why: CloseReason): void {
    this.#channels = [...channels];
    this.#atOnce = Math.ceil(this.#channels.length / TICKS);
    this.#why = why;
  }

  tick(): void {
    if (!this.#why || this.#channels.length === 0) return;
    for (const { agent } of this.#channels.splice(0, this.#atOnce)) agent.close(this.#why);
  }
}
