/** What one member was sent of one sender's messages. */
interface Line {
  /** The counter that comes next. */
  next: number;
  /** Below `next` and not here yet. */
  missing: Set<number> | undefined;
}

/** Exact numbers of what members of a group were sent; a sender's messages are numbered 0, 1, 2… */
export class Deliveries {
  /** Each message once per member. */
  delivered = 0;
  /** Arrived again. */
  duplicates = 0;
  /** Arrived after a later one of the same sender. */
  outOfOrder = 0;
  readonly #lines: Line[][] = [];

  /** A message arrived at a member. */
  // hot: per delivery
  seen(member: number, sender: number, counter: number): void {
    const line = this.#line(member, sender);
    if (counter === line.next) {
      line.next++;
      this.delivered++;
    } else if (counter > line.next) {
      const missing = line.missing ??= new Set();
      for (let skipped = line.next; skipped < counter; skipped++) missing.add(skipped);
      line.next = counter + 1;
      this.delivered++;
    } else if (line.missing?.delete(counter)) {
      this.outOfOrder++;
      this.delivered++;
    } else this.duplicates++;
  }

  /** Was it seen? */
  has(member: number, sender: number, counter: number): boolean {
    const line = this.#line(member, sender);
    return counter < line.next && line.missing?.has(counter) !== true;
  }

  #line(member: number, sender: number): Line {
    const lines = this.#lines[member] ??= [];
    return lines[sender] ??= { next: 0, missing: undefined };
  }
}
