import type { ConversationKey } from "./conversation.ts";
import { type Entry, merged } from "./entry.ts";
import { Spans } from "./spans.ts";

/** A conversation as the list shows it. */
export interface Summary {
  readonly key: ConversationKey;
  readonly last: Entry | undefined;
  readonly unread: number;
}

/** What the server said of a conversation when it was last asked. */
export interface Line {
  /** Number of its last message, 0 for none. */
  readonly head: number;
  /** The number up to which the account had read it, and how many of others' messages there were above. */
  readonly read: number;
  readonly unread: number;
  readonly last: Entry | undefined;
  /** Of the last message, or where it stands among the others without one; ms since 1970. */
  readonly activeMs: number;
}

interface Thread {
  /** In the order they are shown. */
  entries: Entry[];
  readSeq: number;
  line: Line | undefined;
  /** Numbers the server was asked for: what is not here of them is not for us, or no longer there. */
  readonly asked: Spans;
  /** When it was opened without a message yet, ms since 1970. */
  openedMs: number;
}

/** All messages of an account that this tab knows, by conversation, beside what the server says there is. */
export class Book {
  readonly #threads = new Map<ConversationKey, Thread>();
  readonly #byKey = new Map<string, Entry>();

  /** Takes a message, or news of one; tells what is known of it now. */
  put(news: Entry): Entry {
    const old = this.#byKey.get(news.key);
    const entry = merged(old, news);
    if (entry === old) return entry;
    const thread = this.#thread(entry.conversation);
    if (old) thread.entries.splice(thread.entries.indexOf(old), 1);
    thread.entries.splice(placeOf(entry, thread.entries), 0, entry);
    this.#byKey.set(entry.key, entry);
    if (entry.own) thread.readSeq = Math.max(thread.readSeq, entry.seq); // who answers has read
    return entry;
  }

  /** Forgets a message that was never stored. */
  drop(key: string): void {
    const old = this.#byKey.get(key);
    if (!old) return;
    this.#byKey.delete(key);
    const { entries } = this.#thread(old.conversation);
    entries.splice(entries.indexOf(old), 1);
  }

  get(key: string): Entry | undefined {
    return this.#byKey.get(key);
  }

  /** A conversation that has no message yet is listed, too. */
  open(key: ConversationKey, nowMs: number): void {
    const thread = this.#thread(key);
    if (thread.entries.length === 0 && !thread.line?.last) thread.openedMs = nowMs;
  }

  /** What the server says. */
  told(key: ConversationKey, line: Line): void {
    const thread = this.#thread(key);
    thread.line = line;
    thread.readSeq = Math.max(thread.readSeq, line.read);
  }

  /** The server gave all there is from one number to another (inclusive): what lacks there does not lack. */
  asked(key: ConversationKey, from: number, to: number): void {
    this.#thread(key).asked.add(from, to);
  }

  /** Is there a message from one number to another (inclusive) that this tab does not have, as far as is known? */
  lacks(key: ConversationKey, from: number, to: number): boolean {
    return !(this.#threads.get(key)?.asked.covers(from, to) ?? to < from);
  }

  /** In the order they are shown: what is stored by number, what failed where it failed, what is being sent last. */
  entries(key: ConversationKey): readonly Entry[] {
    return this.#threads.get(key)?.entries ?? [];
  }

  /** Everything received up to this number was seen. Tells whether that was news. */
  read(key: ConversationKey, seq: number): boolean {
    const thread = this.#thread(key);
    if (seq <= thread.readSeq) return false;
    thread.readSeq = seq;
    return true;
  }

  readSeq(key: ConversationKey): number {
    return this.#threads.get(key)?.readSeq ?? 0;
  }

  /** The highest number of a message that is here. */
  lastSeq(key: ConversationKey): number {
    return this.#threads.get(key)?.entries.findLast(({ seq }) => seq > 0)?.seq ?? 0;
  }

  /** The highest number there is. */
  head(key: ConversationKey): number {
    return Math.max(this.lastSeq(key), this.#threads.get(key)?.line?.head ?? 0);
  }

  /** What the server counted, and what came since. */
  unread(key: ConversationKey): number {
    const thread = this.#threads.get(key);
    if (!thread) return 0;
    const { entries, readSeq, line } = thread;
    const from = Math.max(readSeq, line?.head ?? 0);
    let count = 0;
    for (let i = entries.length - 1; i >= 0; i--) {
      const { state, seq } = entries[i]!;
      if (seq > 0 && seq <= from) break;
      if (state === "received") count++;
    }
    if (line && readSeq < line.head) count += Math.min(line.unread, line.head - readSeq);
    return count;
  }

  /** Every conversation that is known here. */
  keys(): ConversationKey[] {
    return [...this.#threads.keys()];
  }

  /** The one with the newest message first. */
  summaries(): Summary[] {
    const rows = [...this.#threads].map(([key, { entries, line, openedMs }]) => {
      const here = entries.findLast(({ state }) => state !== "notice");
      const last = here && (here.seq === 0 || here.seq >= (line?.last?.seq ?? 0)) ? here : line?.last ?? here;
      return { key, last, unread: this.unread(key), atMs: Math.max(last?.timeMs ?? line?.activeMs ?? 0, openedMs) };
    });
    return rows.sort((a, b) => b.atMs - a.atMs || (a.key < b.key ? -1 : 1));
  }

  #thread(key: ConversationKey): Thread {
    let thread = this.#threads.get(key);
    if (!thread) {
      thread = { entries: [], readSeq: 0, line: undefined, asked: new Spans(), openedMs: 0 };
      this.#threads.set(key, thread);
    }
    return thread;
  }
}

/** Where it goes; nearly always at the end, so the search begins there. */
function placeOf(entry: Entry, entries: readonly Entry[]): number {
  let at = entries.length;
  for (let i = at - 1; i >= 0; i--) {
    const other = entries[i]!;
    if (entry.seq > 0 && other.seq > 0 ? entry.seq < other.seq : i + 1 === at && comesBefore(entry, other)) at = i;
    else if (entry.seq === 0 || other.seq > 0) break;
  }
  return at;
}

/**
 * Stored messages stand by number, whatever clocks say. One that is being sent is the last; one that failed stands at its
 * time, and stored ones do not move for it. Here one of both has no number.
 */
function comesBefore(one: Entry, other: Entry): boolean {
  if (one.state === "sending" || other.state === "sending") {
    if (one.state === other.state) return one.timeMs < other.timeMs;
    return other.state === "sending";
  }
  return one.timeMs < other.timeMs;
}
