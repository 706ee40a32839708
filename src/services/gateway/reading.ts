import type { Clock } from "../../base/clock.ts";
import type { ClientChannel } from "./client_channel.ts";

/** Which channels are not read for now. A channel has several reasons to wait, and is read when none is left. */
export class Reading {
  readonly #clock: Clock;
  readonly #stopped = new WeakSet<ClientChannel>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Reads nothing more from the channel for so long; the latest such time counts. */
  later(channel: ClientChannel, ms: number): void {
    const waits = channel.readAtMs !== 0;
    channel.readAtMs = Math.max(channel.readAtMs, this.#clock.mono() + ms);
    if (waits) return;
    channel.agent.pause();
    this.#wait(channel, ms);
  }

  /** A reason to wait is gone. */
  again(channel: ClientChannel): void {
    if (!channel.paused && channel.readAtMs === 0 && !this.#stopped.has(channel)) channel.agent.resume();
  }

  /** The channel is read no more, whatever comes. */
  stop(channel: ClientChannel): void {
    this.#stopped.add(channel);
    channel.agent.pause();
  }

  #wait(channel: ClientChannel, ms: number): void {
    this.#clock.after(ms, () => {
      if (channel.state === "closed") return;
      const leftMs = channel.readAtMs - this.#clock.mono();
      if (leftMs > 0) return this.#wait(channel, leftMs);
      channel.readAtMs = 0;
      this.again(channel);
    });
  }
}
