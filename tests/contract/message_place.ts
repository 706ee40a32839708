import type { ImStore, MessageStore } from "../../src/message/message_store.ts";

/** Stores of a place are opened with this as the largest group whose messages are in its members' inboxes. */
export const INBOX_GROUP = 5;

/** Where a store keeps its data: opened, closed and opened again. */
export interface StorePlace extends AsyncDisposable {
  open(): Promise<ImStore>;
  /** The next batch of that store fails while it is written, after its first message or change. */
  failNext(store: MessageStore): Promise<void>;
}

/** Registers a test with an open store of an empty place. */
export type Check = (what: string, body: (store: ImStore, place: StorePlace) => Promise<void>) => void;
