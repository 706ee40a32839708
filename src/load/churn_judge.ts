/** A message as the one who sent it knows it. Times are milliseconds of one clock. */
export interface Said {
  readonly messageId: string;
  readonly sender: string;
  readonly startMs: number;
  readonly ackMs: number;
}

/** A time in which an account was in the group: from a join to a quit, each with its request and its answer. */
export interface Membership {
  readonly joinMs: number;
  readonly joinedMs: number;
  quitMs: number;
  quittedMs: number;
}

/** What one device, or one look at the store, showed an account, in its order; its own messages are left out. */
export interface Reading {
  readonly account: string;
  /** "old client online", "history"… */
  readonly by: string;
  readonly messageIds: readonly string[];
  /** Numbers that must grow, one list for each stream they came in. */
  readonly streams: readonly (readonly number[])[];
  /** It saw all memberships; otherwise nothing is said about what it lacks. */
  readonly whole: boolean;
}

/**
 * What a group can do wrong while its members change:
 * - **lost**: sent after the join was answered and stored before the quit was asked for, and not shown.
 * - **leaked**: stored before any join was asked for, or sent after the quit was answered, and shown. Also a message
 *   nobody sent, or one that was refused.
 * - **twice**, **order**: within one reading.
 * - **differs**: two whole readings of one account do not show the same messages: what crossed a join or a quit is
 *   either in or out, for all its devices and for ever.
 */
export const CHURN_FAULTS = ["lost", "leaked", "twice", "order", "differs"] as const;
export type ChurnFault = (typeof CHURN_FAULTS)[number];
export type ChurnVerdict = Readonly<Record<ChurnFault, { count: number; readonly examples: string[] }>>;

const EXAMPLES = 5;

/** Judges a run in which all requests were answered. */
export function judgeChurn(
  said: readonly Said[],
  memberships: ReadonlyMap<string, readonly Membership[]>,
  readings: readonly Reading[],
): ChurnVerdict {
  const verdict: ChurnVerdict = {
    lost: { count: 0, examples: [] },
    leaked: { count: 0, examples: [] },
    twice: { count: 0, examples: [] },
    order: { count: 0, examples: [] },
    differs: { count: 0, examples: [] },
  };
  const fault = (kind: ChurnFault, { account, by }: Reading, text: string) => {
    const list = verdict[kind];
    if (list.count++ < EXAMPLES) list.examples.push(`${account}, ${by}: ${text}`);
  };
  const known = new Map(said.map((one) => [one.messageId, one]));
  const first = new Map<string, { reading: Reading; shown: ReadonlySet<string> }>();
  for (const reading of readings) {
    const times = memberships.get(reading.account) ?? [];
    const shown = new Set<string>();
    for (const id of reading.messageIds) {
      if (shown.has(id)) fault("twice", reading, id);
      shown.add(id);
      const one = known.get(id);
      if (one === undefined) fault("leaked", reading, `${id} was never sent`);
      else if (times.every((time) => one.ackMs < time.joinMs || one.startMs > time.quittedMs)) {
        fault("leaked", reading, `${id} of ${one.sender}, sent while it was out`);
      }
    }
    for (const numbers of reading.streams) {
      const at = numbers.findIndex((number, i) => i > 0 && number <= numbers[i - 1]!);
      if (at > 0) fault("order", reading, `${numbers[at]} after ${numbers[at - 1]}`);
    }
    if (!reading.whole) continue;
    for (const { messageId, sender, startMs, ackMs } of said) {
      if (sender === reading.account || shown.has(messageId)) continue;
      if (times.some((time) => time.joinedMs < startMs && ackMs < time.quitMs)) {
        fault("lost", reading, `${messageId} of ${sender}`);
      }
    }
    const before = first.get(reading.account);
    if (before === undefined) first.set(reading.account, { reading, shown });
    else {
      const other = [...new Set([...shown, ...before.shown])].filter((id) => shown.has(id) !== before.shown.has(id));
      for (const id of other) {
        const [has, lacks] = shown.has(id) ? [reading, before.reading] : [before.reading, reading];
        fault("differs", has, `${id}, which "${lacks.by}" lacks`);
      }
    }
  }
  return verdict;
}

/** One line per kind of fault, and its examples. */
export function churnLines(verdict: ChurnVerdict): string[] {
  return CHURN_FAULTS.flatMap((name) => {
    const { count, examples } = verdict[name];
    return count === 0 ? [] : [`${name.padEnd(8)} ${count}`, ...examples.map((example) => `  ${example}`)];
  });
}
