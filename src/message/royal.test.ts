import { conversationStoreContract } from "../../tests/contract/conversation_store.ts";
import { groupStoreContract } from "../../tests/contract/group_store.ts";
import { INBOX_GROUP, type StorePlace } from "../../tests/contract/message_place.ts";
import { messageStoreContract } from "../../tests/contract/message_store.ts";
import { RoyalStand } from "../../tests/support/royal_stand.ts";
import { tempDir } from "../../tests/support/temp.ts";
import type { ImStore } from "./message_store.ts";
import { openSqliteStore, SqliteStore } from "./sqlite.ts";

async function place(over: (behind: ImStore) => RoyalStand | Promise<RoyalStand>): Promise<StorePlace> {
  const directory = await tempDir();
  const options = { directory: directory.path, sync: "normal", faults: "", inboxGroup: INBOX_GROUP } as const;
  return {
    open: async () => over(await openSqliteStore(options)),
    async failNext(store) {
      if (store instanceof RoyalStand && store.behind instanceof SqliteStore) {
        await store.behind.inject("statement=throw@2");
      }
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

for (const over of ["overHttp", "inMemory"] as const) {
  const name = over === "overHttp" ? "royal over HTTP, SQLite behind it" : "royal in memory, SQLite behind it";
  const open = () => place((behind) => RoyalStand[over](behind));
  messageStoreContract(name, open);
  groupStoreContract(name, open);
  conversationStoreContract(name, open);
}
