import type { MessageStore } from "../../src/message/message_store.ts";

/** Where a store keeps its data: opened, closed and opened again. */
export interface StorePlace extends AsyncDisposable {
  open(): Promise<MessageStore>;
  /** The next batch of that store fails while it is written, after its first message. */
  failNext(store: MessageStore): Promise<void>;
}

/** Registers a test with an open store of an empty place. */
export type Check = (what: string, body: (store: MessageStore, place: StorePlace) => Promise<void>) => void;
