/** Ranges of numbers, both ends included; touching ones are one. */
export class Spans {
  #spans: (readonly [from: number, to: number])[] = [];

  add(from: number, to: number): void {
    if (to < from) return;
    const apart = this.#spans.filter(([first, last]) => last < from - 1 || first > to + 1);
    const touching = this.#spans.filter((span) => !apart.includes(span));
    const first = Math.min(from, ...touching.map((span) => span[0]));
    const last = Math.max(to, ...touching.map((span) => span[1]));
    this.#spans = [...apart, [first, last]];
  }

  /** All of them? Of an empty range: yes. */
  covers(from: number, to: number): boolean {
    return to < from || this.#spans.some(([first, last]) => first <= from && to <= last);
  }
}
