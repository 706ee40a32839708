import { ImError } from "../../base/errors.ts";

/** More requests, or more bytes of their bodies, are refused with BUSY. */
const MOST_OPEN = 4_000;
const MOST_BYTES = 256 << 20;

/** The requests under way: they are bounded, and a stop can wait for them. */
export class Requests {
  #open = 0;
  #bytes = 0;
  #stopping = false;
  #idle: (() => void) | undefined;

  get open(): number {
    return this.#open;
  }

  /** After `drain` nothing new is begun. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** @param bytes of the body, at most. @throws {ImError} BUSY: there are too many. */
  async during<T>(bytes: number, run: () => Promise<T>): Promise<T> {
    if (this.#open >= MOST_OPEN || this.#bytes + bytes > MOST_BYTES) {
      throw new ImError("BUSY", `Cannot answer: ${this.#open} requests are under way`);
    }
    this.#open++;
    this.#bytes += bytes;
    try {
      return await run();
    } finally {
      this.#bytes -= bytes;
      if (--this.#open === 0) this.#idle?.();
    }
  }

  /** Resolves when what was begun has been answered. */
  drain(): Promise<void> {
    this.#stopping = true;
    return this.#open === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle = resolve);
  }
}
