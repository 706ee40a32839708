import type { Upward } from "../../container/link.ts";

/**
 * One channel's requests that have been forwarded and not answered, in order: what must be forwarded again when its
 * logic server goes. Numbered 1, 2, 3… per channel; the number is the request's key.
 */
export class Unanswered {
  /** Bytes of the bodies kept. */
  bytes = 0;
  #list: (Upward | undefined)[] = [];
  #head = 0;
  /** Number of `#list[0]`. */
  #base = 1;

  /** The number the next request gets. */
  get next(): number {
    return this.#base + this.#list.length;
  }

  /** Everything below this number has been answered. */
  get low(): number {
    return this.#base + this.#head;
  }

  get size(): number {
    let count = 0;
    for (let at = this.#head; at < this.#list.length; at++) if (this.#list[at]) count++;
    return count;
  }

  get empty(): boolean {
    return this.#head === this.#list.length;
  }

  /** Keeps a request whose key carries number `next`. */
  add(request: Upward): void {
    this.#list.push(request);
    this.bytes += sizeOf(request);
  }

  /** The request with that number was answered; gives it, or undefined when it is not waiting (answered before). */
  answered(n: number): Upward | undefined {
    const at = n - this.#base;
    const request = at < this.#head ? undefined : this.#list[at];
    if (!request) return undefined;
    this.#list[at] = undefined;
    this.bytes -= sizeOf(request);
    while (this.#head < this.#list.length && !this.#list[this.#head]) this.#head++;
    if (this.#head > 64 || this.#head === this.#list.length) {
      this.#base += this.#head;
      this.#list = this.#head === this.#list.length ? [] : this.#list.slice(this.#head);
      this.#head = 0;
    }
    return request;
  }

  /** The number of the oldest waiting request with that sequence, for peers that do not name the key; 0: none. */
  find(command: string, sequence: number): number {
    for (let at = this.#head; at < this.#list.length; at++) {
      const header = this.#list[at]?.header;
      if (header?.sequence === sequence && header.command === command) return this.#base + at;
    }
    return 0;
  }

  /** What waits, in order. */
  *waiting(): Iterable<Upward> {
    for (let at = this.#head; at < this.#list.length; at++) {
      const request = this.#list[at];
      if (request) yield request;
    }
  }
}

/** What a read counts for: its answer may be a page. So one channel has about sixteen under way. */
const READ_BYTES = 16 << 10;

/** The body, and an allowance so that empty requests are bounded too. */
function sizeOf(request: Upward): number {
  return request.body.length + (request.header.command.endsWith(".talk") ? 64 : READ_BYTES);
}
