import { test } from "bun:test";
import process from "node:process";
import postgres from "postgres";
import type { StorePlace } from "../../tests/contract/message_place.ts";
import { messageStoreContract } from "../../tests/contract/message_store.ts";
import { migratePostgres, openPostgresStore } from "./postgres.ts";

/** A database that this test may make schemas in; it drops only those it made. */
const URL = process.env["PETREL_TEST_POSTGRES"] ?? "postgres://root@127.0.0.1:5432/test";

let made = 0;
async function place(): Promise<StorePlace> {
  const schema = `petrel_test_${process.pid}_${made++}`;
  await migratePostgres({ url: URL, schema });
  let failing = false;
  return {
    open: () =>
      openPostgresStore({
        url: URL,
        schema,
        connections: 3,
        fault: (place) => {
          if (place === "statement" && failing) {
            failing = false;
            throw new Error("injected");
          }
        },
      }),
    failNext: () => {
      failing = true;
      return Promise.resolve();
    },
    async [Symbol.asyncDispose]() {
      const sql = postgres(URL, { max: 1, onnotice: () => {} });
      await sql`DROP SCHEMA ${sql(schema)} CASCADE`;
      await sql.end();
    },
  };
}

if (await isThere()) messageStoreContract("PostgreSQL", place);
else test.skip(`MessageStore/PostgreSQL: no server at ${URL}; set PETREL_TEST_POSTGRES to one`, () => {});

async function isThere(): Promise<boolean> {
  const sql = postgres(URL, { max: 1, connect_timeout: 2 });
  try {
    await sql`SELECT 1`;
    return true;
  } catch { // nobody there, or nobody who knows us: the reason is printed with the skipped test
    return false;
  } finally {
    await sql.end();
  }
}
