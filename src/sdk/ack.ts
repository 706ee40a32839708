import type { Clock, Timer } from "../base/clock.ts";

/** Between two acknowledgements. */
const ACK_EVERY_MS = 500;

/** How far the client has handled its inbox: a position, or for messages without one the id. */
export interface Handled {
  readonly pos: number;
  readonly messageId: bigint;
}

/** Tells the server how far messages were handled: the first at once, then the latest at most every 500 ms. */
export class Acker {
  readonly #clock: Clock;
  #send: ((last: Handled) => void) | undefined;
  #last: Handled | undefined;
  /** Is `#last` still to be told on this connection? */
  #untold = false;
  #timer: Timer | undefined;
  #sentAt = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Connected: the last handled is told now, again if need be: nobody knows whether the last telling arrived. */
  start(send: (last: Handled) => void): void {
    this.#send = send;
    this.#untold = this.#last !== undefined;
    this.#schedule();
  }

  stop(): void {
    this.#send = undefined;
    this.#timer?.stop();
    this.#timer = undefined;
  }

  handled(pos: number, messageId: bigint): void {
    this.#last = { pos, messageId };
    this.#untold = true;
    this.#schedule();
  }

  /** What was handled until now is not to be told any more. */
  forget(): void {
    this.#last = undefined;
    this.#untold = false;
  }

  /** Tells what is still untold, without waiting. */
  flush(): void {
    this.#timer?.stop();
    this.#timer = undefined;
    if (!this.#send || !this.#last || !this.#untold) return;
    this.#untold = false;
    this.#sentAt = this.#clock.mono();
    this.#send(this.#last);
  }

  #schedule(): void {
    if (!this.#send || !this.#untold || this.#timer) return;
    const waitMs = this.#sentAt + ACK_EVERY_MS - this.#clock.mono();
    if (waitMs <= 0) this.flush();
    else this.#timer = this.#clock.after(waitMs, () => this.flush());
  }
}
