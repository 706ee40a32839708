import { afterAll, test } from "bun:test";
import process from "node:process";
import { conversationStoreContract } from "../../tests/contract/conversation_store.ts";
import { groupStoreContract } from "../../tests/contract/group_store.ts";
import { INBOX_GROUP, type StorePlace } from "../../tests/contract/message_place.ts";
import { messageStoreContract } from "../../tests/contract/message_store.ts";
import { query, testDatabase } from "../../tests/support/postgres_server.ts";
import { migratePostgres, openPostgresStore } from "./postgres.ts";

const database = await testDatabase();
if (typeof database === "string") {
  test.skip(`MessageStore, GroupStore, ConversationStore/PostgreSQL: ${database}`, () => {});
} else {
  afterAll(async () => await database[Symbol.asyncDispose]());
  const { url } = database;
  messageStoreContract("PostgreSQL", () => place(url));
  groupStoreContract("PostgreSQL", () => place(url));
  conversationStoreContract("PostgreSQL", () => place(url));
}

let made = 0;
/** A schema of its own, dropped afterwards. */
async function place(url: string): Promise<StorePlace> {
  const schema = `petrel_test_${process.pid}_${made++}`;
  await migratePostgres({ url, schema });
  let failing = false;
  const fault = (at: string) => {
    if (at !== "statement" || !failing) return;
    failing = false;
    throw new Error("injected");
  };
  return {
    open: () => openPostgresStore({ url, schema, connections: 3, inboxGroup: INBOX_GROUP, fault }),
    failNext: () => {
      failing = true;
      return Promise.resolve();
    },
    async [Symbol.asyncDispose]() {
      await query(url, `DROP SCHEMA ${schema} CASCADE`);
    },
  };
}
