import { conversationStoreContract } from "../../tests/contract/conversation_store.ts";
import { groupStoreContract } from "../../tests/contract/group_store.ts";
import { INBOX_GROUP, type StorePlace } from "../../tests/contract/message_place.ts";
import { messageStoreContract } from "../../tests/contract/message_store.ts";
import { tempDir } from "../../tests/support/temp.ts";
import { openSqliteStore, type SqliteOptions, SqliteStore } from "./sqlite.ts";

async function place(options: Partial<SqliteOptions>): Promise<StorePlace> {
  const directory = await tempDir();
  const { path } = directory;
  return {
    open: () => openSqliteStore({ directory: path, sync: "normal", faults: "", inboxGroup: INBOX_GROUP, ...options }),
    async failNext(store) {
      if (store instanceof SqliteStore) await store.inject("statement=throw@2");
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

const STORES: readonly { name: string; options: Partial<SqliteOptions> }[] = [
  { name: "SQLite in workers", options: { threads: true } },
  { name: "SQLite in this thread", options: { threads: false } },
  { name: "SQLite that writes every row at once", options: { threads: false, tailRows: 0 } },
  { name: "SQLite that remembers few heads", options: { threads: false, cachedLogs: 0, tailRows: 7 } },
];

for (const { name, options } of STORES) {
  messageStoreContract(name, () => place(options));
  groupStoreContract(name, () => place(options));
  conversationStoreContract(name, () => place(options));
}
