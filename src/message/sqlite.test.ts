import type { StorePlace } from "../../tests/contract/message_place.ts";
import { messageStoreContract } from "../../tests/contract/message_store.ts";
import { tempDir } from "../../tests/support/temp.ts";
import { openSqliteStore, type SqliteOptions, SqliteStore } from "./sqlite.ts";

async function place(options: Partial<SqliteOptions>): Promise<StorePlace> {
  const directory = await tempDir();
  return {
    open: () => openSqliteStore({ directory: directory.path, sync: "normal", faults: "", ...options }),
    async failNext(store) {
      if (store instanceof SqliteStore) await store.inject("statement=throw@2");
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

messageStoreContract("SQLite in workers", () => place({ threads: true }));
messageStoreContract("SQLite in this thread", () => place({ threads: false }));
messageStoreContract("SQLite that writes every row at once", () => place({ threads: false, tailRows: 0 }));
messageStoreContract("SQLite that remembers few heads", () => place({ threads: false, cachedLogs: 0, tailRows: 7 }));
