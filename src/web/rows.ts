import type { Entry } from "./entry.ts";

/** What stands below each other in a conversation. */
export type Row =
  | { readonly kind: "day"; readonly key: string; readonly dayMs: number }
  /** Messages lack here: those below that number, or without one the newest. */
  | { readonly kind: "gap"; readonly key: string; readonly before: number | undefined }
  | { readonly kind: "beginning"; readonly key: string }
  | { readonly kind: "notice"; readonly key: string; readonly entry: Entry }
  | {
    readonly kind: "entry";
    readonly key: string;
    readonly entry: Entry;
    readonly first: boolean;
    readonly last: boolean;
  };

export interface RowsOptions {
  /** Midnight before a time, both in ms. */
  dayOf(ms: number): number;
  /** Are there messages from one number to another (inclusive) that are not here? Default: never. */
  lacks?(from: number, to: number): boolean;
  /** Number of the last message before these, 0: they are the first. */
  readonly after?: number;
  /** Number of the last message there is. */
  readonly head?: number;
}

/** Messages of one sender within so long are one group of bubbles. */
const TOGETHER_MS = 5 * 60_000;

/** The rows of messages in their order: a separator before each new day, runs of one sender grouped, gaps where some lack. */
export function rowsOf(
  entries: readonly Entry[],
  { dayOf, lacks = () => false, after = 0, head = 0 }: RowsOptions,
): Row[] {
  const rows: Row[] = [];
  let day: number | undefined;
  let seq = after;
  if (after === 0 && entries.some((one) => one.seq > 0)) rows.push({ kind: "beginning", key: "beginning" });
  entries.forEach((entry, i) => {
    if (entry.seq > 0) {
      if (lacks(seq + 1, entry.seq - 1)) {
        if (seq === 0) rows.shift();
        rows.push({ kind: "gap", key: `gap:${entry.seq}`, before: entry.seq });
        day = undefined;
      }
      seq = entry.seq;
    }
    const before = entries[i - 1];
    const next = entries[i + 1];
    const itsDay = dayOf(entry.timeMs);
    if (itsDay !== day) rows.push({ kind: "day", key: `day:${itsDay}:${entry.key}`, dayMs: itsDay });
    const first = itsDay !== day || !before || !together(before, entry);
    const last = !next || dayOf(next.timeMs) !== itsDay || !together(entry, next);
    day = itsDay;
    if (entry.state === "notice") rows.push({ kind: "notice", key: `${entry.key}:${entry.body}`, entry });
    else rows.push({ kind: "entry", key: entry.key, entry, first, last });
  });
  if (lacks(seq + 1, head)) rows.push({ kind: "gap", key: "gap:end", before: undefined });
  return rows;
}

function together(one: Entry, next: Entry): boolean {
  if (one.state === "notice" || next.state === "notice") return false;
  return one.sender === next.sender && one.state !== "failed" && next.timeMs - one.timeMs < TOGETHER_MS;
}
