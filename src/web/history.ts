import { ImError, type PetrelClient } from "../sdk/mod.ts";
import type { Book } from "./book.ts";
import { type ConversationKey, conversationOf } from "./conversation.ts";
import { type Entry, entryOfMessage } from "./entry.ts";

/** Messages that are fetched at a time. */
const PAGE = 100;

export interface HistoryPort {
  readonly book: Book;
  client(): PetrelClient | undefined;
  /** These came from the server. */
  fetched(entries: readonly Entry[]): void;
  changed(): void;
}

/** Fetches what was said and is not in this browser, a page at a time. */
export class History {
  readonly #port: HistoryPort;
  readonly #loading = new Set<ConversationKey>();
  readonly #failed = new Set<ConversationKey>();

  constructor(port: HistoryPort) {
    this.#port = port;
  }

  /** The last attempt failed; it is not repeated by itself. */
  failed(key: ConversationKey): boolean {
    return this.#failed.has(key);
  }

  /** After an absence everything may be tried again. */
  online(): void {
    this.#failed.clear();
  }

  /** Fetches the nearest messages below a number; undefined: the newest ones. One request per conversation at a time. */
  async load(key: ConversationKey, before: number | undefined): Promise<void> {
    const { book, changed, fetched } = this.#port;
    const client = this.#port.client();
    if (!client || this.#loading.has(key)) return;
    const { id: peer, kind } = conversationOf(key);
    this.#loading.add(key);
    this.#failed.delete(key);
    try {
      const group = kind === "group";
      const { messages, first, head } = await client.conversations.history(peer, { group, before, limit: PAGE });
      fetched(messages.map((message) => ({ ...entryOfMessage(message), conversation: key })));
      const to = before === undefined ? head : before - 1;
      book.asked(key, messages[0]?.seq ?? 1, to);
      book.asked(key, 1, Math.min(first - 1, to));
    } catch (thrown) {
      // Offline it is tried again when the connection is back.
      if (ImError.from(thrown).code !== "CLOSED") this.#failed.add(key);
    } finally {
      this.#loading.delete(key);
      changed();
    }
  }
}
