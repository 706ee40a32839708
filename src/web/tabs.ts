import type { ConversationKey } from "./conversation.ts";
import type { Entry } from "./entry.ts";

/** What one tab tells the others of its account; messages themselves come to each from the server. */
export type News =
  | { readonly put: Entry }
  | { readonly drop: string }
  | { readonly read: readonly [ConversationKey, number] };

export interface TabEvents {
  put(entry: Entry): void;
  drop(key: string): void;
  read(key: ConversationKey, seq: number): void;
  /** After each of the others. */
  changed(): void;
}

/** The other tabs of an account in this browser. */
export class Tabs {
  readonly #channel: BroadcastChannel;

  constructor(account: string, events: TabEvents) {
    this.#channel = new BroadcastChannel(`petrel:${account}`);
    this.#channel.onmessage = (event) => {
      const data: News = event.data; // from a tab of this page
      if ("put" in data) events.put(data.put);
      else if ("drop" in data) events.drop(data.drop);
      else events.read(data.read[0], data.read[1]);
      events.changed();
    };
  }

  /** Never throws. */
  tell(news: News): void {
    try {
      this.#channel.postMessage(news);
    } catch {
      // It is closed (or Deno's second one of a process, whose posts throw): others read the archive at their start.
    }
  }

  close(): void {
    this.#channel.close();
  }
}
