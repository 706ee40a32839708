/** Exact numbers of a run, warm-up included. */
export class TalkCounts {
  sent = 0;
  /** Answered with Success. */
  stored = 0;
  /** Answered with another status: not stored. */
  refused = 0;
  readonly refusedBy: Map<number, number> = new Map();
  /** Arrived at the receiver, each message counted once. */
  pushed = 0;
  storedAndPushed = 0;
  /** Arrived again. */
  duplicates = 0;
  /** Arrived after a later message of the same sender. */
  outOfOrder = 0;
  /** Arrived though never sent, refused, changed, or meant for somebody else. */
  phantom = 0;
  /** Answers to nothing that was asked, or answered twice. */
  stray = 0;
  /** Jumped over by a later message and not here yet: the running "lost so far". */
  missing = 0;
  /** Packets nobody asked for (kick-outs, group notices), and rubbish. */
  other = 0;
  /** Answered with Success inside the measured time. */
  storedMeasured = 0;
  /** Why connections ended before the run did. */
  readonly closed: Map<string, number> = new Map();

  /** Stored and never seen by the receiver. */
  get lost(): number {
    return this.stored - this.storedAndPushed;
  }
  /** Sent and never answered. */
  get unknown(): number {
    return this.sent - this.stored - this.refused;
  }
}

/** Adds one to a tally. */
export function count<Key>(map: Map<Key, number>, key: Key): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

/** All of a tally. */
export function total(map: ReadonlyMap<unknown, number>): number {
  let sum = 0;
  for (const n of map.values()) sum += n;
  return sum;
}
