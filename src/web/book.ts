import type { ConversationKey } from "./conversation.ts";
import { type Entry, merged } from "./entry.ts";

/** A conversation as the list shows it. */
export interface Summary {
  readonly key: ConversationKey;
  readonly last: Entry | undefined;
  readonly unread: number;
}

interface Thread {
  /** In the order they are shown. */
  entries: Entry[];
  readSeq: number;
  /** When it was opened without a message yet, ms since 1970. */
  openedMs: number;
}

/** All messages of an account that this tab knows, by conversation. */
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
    if (thread.entries.length === 0) thread.openedMs = nowMs;
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

  /** The highest number in a conversation. */
  lastSeq(key: ConversationKey): number {
    return this.#threads.get(key)?.entries.findLast(({ seq }) => seq > 0)?.seq ?? 0;
  }

  unread(key: ConversationKey): number {
    const thread = this.#threads.get(key);
    if (!thread) return 0;
    let count = 0;
    for (let i = thread.entries.length - 1; i >= 0; i--) {
      const { state, seq } = thread.entries[i]!;
      if (seq > 0 && seq <= thread.readSeq) break;
      if (state === "received") count++;
    }
    return count;
  }

  /** The one with the newest message first. */
  summaries(): Summary[] {
    const rows = [...this.#threads].map(([key, { entries, openedMs }]) => {
      const last = entries.at(-1);
      return { key, last, unread: this.unread(key), atMs: Math.max(last?.timeMs ?? 0, openedMs) };
    });
    return rows.sort((a, b) => b.atMs - a.atMs || (a.key < b.key ? -1 : 1));
  }

  #thread(key: ConversationKey): Thread {
    let thread = this.#threads.get(key);
    if (!thread) this.#threads.set(key, thread = { entries: [], readSeq: 0, openedMs: 0 });
    return thread;
  }
}

/** Where it goes; nearly always at the end, so the search begins there. */
function placeOf(entry: Entry, entries: readonly Entry[]): number {
  let at = entries.length;
  while (at > 0 && comesBefore(entry, entries[at - 1]!)) at--;
  return at;
}

/**
 * Stored messages by number, whatever clocks say. One that is being sent is the last; one that failed stands at its
 * time, and stored ones do not move for it.
 */
function comesBefore(one: Entry, other: Entry): boolean {
  if (one.seq > 0 && other.seq > 0) return one.seq < other.seq;
  if (one.state === "sending" || other.state === "sending") {
    if (one.state === other.state) return one.timeMs < other.timeMs;
    return other.state === "sending";
  }
  return one.timeMs < other.timeMs;
}
