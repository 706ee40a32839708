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

  test("MessageStore/PostgreSQL: a process whose clock is an hour ahead forgets nobody's request keys", async () => {
    const schema = `petrel_test_${process.pid}_${made++}`;
    await migratePostgres({ url, schema });
    const ahead = new FakeClock(Date.now() + 3_600_000);
    await using one = await openPostgresStore({ url, schema, connections: 2 });
    await using two = await openPostgresStore({ url, schema, connections: 2, clock: ahead });
    const first = talk("ann", "bob", { key: { scope: "c1", n: 1, low: 1 } });
    const [stored] = await one.append([first]);
    if (!stored || stored instanceof ImError) throw new Error("not stored");
    ahead.advance(31_000); // it sweeps
    await new Promise((go) => setTimeout(go, 500));
    expect(await two.append([{ ...first, startBy: Infinity, again: true }])).toEqual([{ ...stored, duplicate: true }]);
    await query(url, `DROP SCHEMA ${schema} CASCADE`);
  });

  test(
    "MessageStore/PostgreSQL: a first copy at one store and a refused second at another: one of them wins, for good",
    async () => {
      const schema = `petrel_test_${process.pid}_${made++}`;
      await migratePostgres({ url, schema });
      await using one = await openPostgresStore({ url, schema, connections: 2 });
      await using two = await openPostgresStore({ url, schema, connections: 2 });
      const outcomes = { stored: 0, refused: 0 };
      for (let n = 1; n <= 60; n++) {
        // Scopes that are new to the database, and one that is not: rows that are inserted, and rows that are locked.
        const first = talk("ann", "bob", { key: n % 2 ? { scope: `c${n}`, n: 1, low: 1 } : { scope: "c", n, low: 1 } });
        const late = { ...first, startBy: -1, again: true };
        const pause = () => new Promise((resolve) => setTimeout(resolve, n % 4));
        const [[a], [b]] = await Promise.all([
          n % 3 === 0 ? pause().then(() => one.append([first])) : one.append([first]),
          n % 3 === 1 ? pause().then(() => two.append([late])) : two.append([late]),
        ]);
        const stored = !(a instanceof ImError);
        outcomes[stored ? "stored" : "refused"]++;
        if (stored) expect(b).toEqual({ ...a!, duplicate: true });
        else expect([a, b]).toMatchObject([{ code: "BUSY" }, { code: "BUSY" }]);
        const [after] = await one.append([first]);
        expect(after).toEqual(stored ? { ...a!, duplicate: true } : expect.objectContaining({ code: "BUSY" }));
      }
      expect((await one.heads("kim", ["ann"]))[0]?.pos).toBe(outcomes.stored);
      expect(Math.min(outcomes.stored, outcomes.refused)).toBeGreaterThan(0);
      await query(url, `DROP SCHEMA ${schema} CASCADE`);
    },
    60_000,
  );

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
