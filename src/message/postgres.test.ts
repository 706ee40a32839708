import { afterAll, expect, test } from "bun:test";
import process from "node:process";
import { conversationStoreContract } from "../../tests/contract/conversation_store.ts";
import { groupStoreContract } from "../../tests/contract/group_store.ts";
import { INBOX_GROUP, type StorePlace } from "../../tests/contract/message_place.ts";
import { messageStoreContract } from "../../tests/contract/message_store.ts";
import { talk } from "../../tests/contract/message_talk.ts";
import { query, testDatabase } from "../../tests/support/postgres_server.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { ImError } from "../base/errors.ts";
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

  test("MessageStore/PostgreSQL: processes with the same node number do not take each other's transactions for their own", async () => {
    const schema = `petrel_test_${process.pid}_${made++}`;
    await migratePostgres({ url, schema });
    const clock = new FakeClock(Date.now()); // of both: all that a name has of its own is by chance
    await using one = await openPostgresStore({ url, schema, connections: 2, clock });
    await using two = await openPostgresStore({ url, schema, connections: 2, clock });
    await one.ack("kim", "nobody", "", 1);
    await two.ack("kim", "nobody", "", 1);
    const [{ count } = { count: 0 }] = await query<{ count: number }>(
      url,
      `SELECT count(DISTINCT id & 4194303)::int4 AS count FROM ${schema}.batches`,
    );
    expect(count).toBe(2); // a snowflake's would be its node and its place: 0 in both
    await query(url, `DROP SCHEMA ${schema} CASCADE`);
  });

  test("MessageStore/PostgreSQL: what may be stored already is not refused before it could be looked up", async () => {
    const schema = `petrel_test_${process.pid}_${made++}`;
    await migratePostgres({ url, schema });
    let gone = false;
    const fault = () => {
      if (gone) throw new Error("injected");
    };
    await using store = await openPostgresStore({ url, schema, connections: 3, fault });
    const request = talk("ann", "bob", { key: { scope: "s", n: 1, low: 1 } });
    const [first] = await store.append([request]);
    gone = true;
    const never = { ...request, key: { scope: "s", n: 2, low: 1 } };
    expect((await store.append([never]))[0]).toBeInstanceOf(ImError); // not asked before: certainly not stored
    let answers: unknown;
    const again = store.append([{ ...request, again: true }, { ...never, again: true }]).then((all) => answers = all);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(answers).toBeUndefined();
    gone = false;
    await again;
    expect(answers).toEqual([{ ...first, duplicate: true }, expect.any(ImError)]);
    gone = true;
    const unknown = store.append([{ ...request, again: true }]).catch((error: ImError) => error.code);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await store[Symbol.asyncDispose]();
    expect(await unknown).toBe("CLOSED"); // a stop waits for nothing that cannot be known
    await query(url, `DROP SCHEMA ${schema} CASCADE`);
  });
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
