import type { InboxRow } from "../history.ts";
import type { ShownMessage } from "./crowd_member.ts";

/** What one client showed, and what its account's inbox holds in the end. */
export interface ScreenRecord {
  readonly account: string;
  readonly screen: readonly ShownMessage[];
  /** Both directions, whole, by position; with rows for all messages of large groups. */
  readonly inbox: readonly InboxRow[];
}

/**
 * What can be wrong with a screen, judged by the inbox of the same account:
 * - **missing**: a received row of the inbox that no connection showed.
 * - **extra**: what was shown is no received row, or has another text there.
 * - **twice**: shown again on the same connection. Old clients know a message by its id when another connection shows it
 *   again; ours show everything once for good.
 * - **order**: shown after a message that has a higher position in the inbox, on the same connection. Messages of large
 *   groups that ours shows count by their numbers in the group instead.
 */
export const SCREEN_FAULTS = ["missing", "extra", "twice", "order"] as const;
export type ScreenFault = (typeof SCREEN_FAULTS)[number];
export type ScreenVerdict = Record<ScreenFault, { count: number; readonly examples: string[] }>;

const EXAMPLES = 8;

/** Nothing found yet; verdicts of several rounds can be added up in one. */
export function newScreenVerdict(): ScreenVerdict {
  const none = () => ({ count: 0, examples: [] });
  return { missing: none(), extra: none(), twice: none(), order: none() };
}

/** Judges screens of accounts whose inboxes began empty; what is found is added to `verdict`. */
export function judgeScreens(records: readonly ScreenRecord[], verdict: ScreenVerdict = newScreenVerdict()) {
  const fault = (kind: ScreenFault, text: string) => {
    const list = verdict[kind];
    if (list.count++ < EXAMPLES) list.examples.push(text);
  };
  for (const record of records) judgeScreen(record, fault);
  return verdict;
}

/** How many received messages this screen lacks. */
export function missingOn({ screen, inbox }: ScreenRecord): number {
  const had = new Set(screen.map(({ messageId }) => messageId));
  return inbox.reduce((sum, row) => sum + (row.direction === 0 && !had.has(row.messageId) ? 1 : 0), 0);
}

export function screenLines(verdict: ScreenVerdict): string[] {
  return SCREEN_FAULTS.flatMap((name) => {
    const { count, examples } = verdict[name];
    return count === 0 ? [] : [`${name.padEnd(8)} ${count} (screens)`, ...examples.map((example) => `  ${example}`)];
  });
}

type Tell = (kind: ScreenFault, text: string) => void;

function judgeScreen({ account, screen, inbox }: ScreenRecord, fault: Tell): void {
  const places = new Map<string, { readonly id: string; readonly at: number }>();
  inbox.forEach((row, at) => {
    if (row.direction === 0) places.set(row.messageId, { id: row.id, at });
  });
  const shown = new Set<string>();
  let conn = -1;
  let had = new Set<string>();
  let newest = -1;
  const newestIn = new Map<string, number>();
  for (const one of screen) {
    if (one.conn !== conn) {
      conn = one.conn;
      had = new Set();
      newest = -1;
    }
    const { messageId, id, room, seq } = one;
    shown.add(messageId);
    const place = places.get(messageId);
    const what = `${account}${conn === 0 ? "" : ` on connection ${conn}`} showed message ${messageId} (${
      place?.id ?? id
    })`;
    if (had.has(messageId)) {
      fault("twice", `${what} again`);
      continue;
    }
    had.add(messageId);
    if (place === undefined) fault("extra", `${what}, which is not in its inbox`);
    else if (id !== "" && id !== place.id) fault("extra", `${what} as ${id}`);
    else if (room !== "") {
      const before = newestIn.get(room) ?? 0;
      if (seq <= before) fault("order", `${what}, number ${seq} of ${room}, after number ${before}`);
      newestIn.set(room, Math.max(seq, before));
    } else if (place.at < newest) {
      fault("order", `${what}, row ${place.at + 1} of its inbox, after row ${newest + 1}`);
    } else newest = place.at;
  }
  for (const [messageId, { id, at }] of places) {
    if (!shown.has(messageId)) fault("missing", `${account} never showed message ${messageId} (${id}, row ${at + 1})`);
  }
}
