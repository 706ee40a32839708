/** What is known of one message, as bits. */
export const SEEN = { ANSWERED: 1, REFUSED: 2, PUSHED: 4 } as const;

const PAGE_BITS = 12;
const PAGE = 1 << PAGE_BITS;
const SETTLED = SEEN.ANSWERED | SEEN.PUSHED;

/**
 * What happened to each message of one sender, by its counter (0, 1, 2…): exact, one byte per message, and pages on
 * which every message was answered with Success and pushed are given back. So a long run needs no more memory than its
 * faults.
 */
export class Ledger {
  /** A page; null: all of it settled; undefined: nothing known yet. */
  readonly #pages: (Uint8Array | null | undefined)[] = [];
  readonly #settled: number[] = [];

  /** Adds a bit (SEEN.*) and gives the bits known before. */
  // hot: twice per message
  mark(counter: number, bit: number): number {
    const at = counter >>> PAGE_BITS;
    let page = this.#pages[at];
    if (page === null) return SETTLED;
    if (page === undefined) {
      page = this.#pages[at] = new Uint8Array(PAGE);
      this.#settled[at] = 0;
    }
    const before = page[counter & (PAGE - 1)]!;
    const after = before | bit;
    if (after === before) return before;
    page[counter & (PAGE - 1)] = after;
    if (after === SETTLED && ++this.#settled[at]! === PAGE) this.#pages[at] = null;
    return before;
  }

  /** The bits known of a message. */
  get(counter: number): number {
    const page = this.#pages[counter >>> PAGE_BITS];
    return page === null ? SETTLED : page === undefined ? 0 : page[counter & (PAGE - 1)]!;
  }
}
