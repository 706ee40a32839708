import { NO_BODY } from "./packet.ts";

/** Bytes that arrive in pieces: room is made as they come, never from a length that was only announced. */
export class Grower {
  /** How many came. */
  bytes = 0;
  #buffer: Uint8Array = NO_BODY;

  /** Room is made by doubling, but not beyond `atMost`, which is how many can come in all. */
  add(chunk: Uint8Array, from: number, to: number, atMost: number): void {
    const bytes = this.bytes + to - from;
    if (bytes > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(bytes, Math.min(atMost, 2 * this.#buffer.length)));
      larger.set(this.#buffer.subarray(0, this.bytes));
      this.#buffer = larger;
    }
    this.#buffer.set(chunk.subarray(from, to), this.bytes);
    this.bytes = bytes;
  }

  /** All bytes so far; the buffer is let go. */
  release(): Uint8Array {
    const all = this.#buffer.subarray(0, this.bytes);
    this.#buffer = NO_BODY;
    this.bytes = 0;
    return all;
  }
}
