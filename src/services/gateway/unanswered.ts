import type { Upward } from "../../container/link.ts";

/**
 * One channel's requests that have not been answered, in order: what must be forwarded again when its logic server
 * goes. Numbered 1, 2, 3… per channel; the number is the request's key.
 *
 *   low … due - 1: sent to the present server      due … next - 1: waiting to be sent, those below `#sent` once more
 */
export class Unanswered {
  /** Bytes of the bodies kept. */
  bytes = 0;
  #list: (Upward | undefined)[] = [];
  #head = 0;
  /** Number of `#list[0]`. */
  #base = 1;
  /** Number of the next request to be sent to the present server. */
  #due = 1;
  /** Requests below this number were sent to some server. */
  #sent = 1;

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

  /** Does the present server have something to answer? */
  get outstanding(): boolean {
    return this.#head < this.#list.length && this.low < this.#due;
  }

  /** Is nothing waiting to be sent? */
  get allSent(): boolean {
    return this.due === undefined;
  }

  /** The oldest request that waits to be sent; `again` when another server, or a lost link, had it before. */
  get due(): { readonly request: Upward; readonly again: boolean } | undefined {
    if (this.#due < this.low) this.#due = this.low;
    for (; this.#due < this.next; this.#due++) {
      const request = this.#list[this.#due - this.#base];
      if (request) return { request, again: this.#due < this.#sent };
    }
    return undefined;
  }

  /** Keeps a request whose key carries number `next`. */
  add(request: Upward): void {
    this.#list.push(request);
    this.bytes += sizeOf(request);
  }

  /** Keeps a request that was sent, while nothing waited. */
  addSent(request: Upward): void {
    this.add(request);
    this.#due = this.#sent = this.next;
  }

  /** `due` was sent. */
  sentDue(): void {
    this.#due++;
    if (this.#due > this.#sent) this.#sent = this.#due;
  }

  /** The server is gone: everything is to be sent once more. */
  startAgain(): void {
    this.#due = this.low;
  }

  /** The oldest request that no server has had and that should have begun by now, taken out; undefined: none. */
  takeLate(nowMs: number): Upward | undefined {
    for (let n = Math.max(this.#sent, this.low); n < this.next; n++) {
      const request = this.#list[n - this.#base];
      if (request) return request.startBy < nowMs ? this.answered(n) : undefined;
    }
    return undefined;
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
}

/** What a read counts for: its answer may be a page. So one channel has about sixteen under way. */
const READ_BYTES = 16 << 10;

/** The body, and an allowance so that empty requests are bounded too. */
function sizeOf(request: Upward): number {
  return request.body.length + (request.header.command.endsWith(".talk") ? 64 : READ_BYTES);
}
