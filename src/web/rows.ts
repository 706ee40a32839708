import type { Entry } from "./entry.ts";

/** What stands below each other in a conversation. */
export type Row =
  | { readonly kind: "day"; readonly key: string; readonly dayMs: number }
  | {
    readonly kind: "entry";
    readonly key: string;
    readonly entry: Entry;
    readonly first: boolean;
    readonly last: boolean;
  };

/** Messages of one sender within so long are one group of bubbles. */
const TOGETHER_MS = 5 * 60_000;

/** The rows of messages in their order: a separator before each new day, runs of one sender grouped. */
export function rowsOf(entries: readonly Entry[], dayOf: (ms: number) => number): Row[] {
  const rows: Row[] = [];
  let day: number | undefined;
  entries.forEach((entry, i) => {
    const before = entries[i - 1];
    const after = entries[i + 1];
    const itsDay = dayOf(entry.timeMs);
    if (itsDay !== day) rows.push({ kind: "day", key: `day:${itsDay}:${entry.key}`, dayMs: itsDay });
    const first = itsDay !== day || !before || !together(before, entry);
    const last = !after || dayOf(after.timeMs) !== itsDay || !together(entry, after);
    day = itsDay;
    rows.push({ kind: "entry", key: entry.key, entry, first, last });
  });
  return rows;
}

function together(one: Entry, next: Entry): boolean {
  return one.sender === next.sender && one.state !== "failed" && next.timeMs - one.timeMs < TOGETHER_MS;
}
