import { expect, test } from "bun:test";
import fc from "fast-check";
import { MessageModel } from "../../tests/contract/message_model.ts";
import { talk } from "../../tests/contract/message_talk.ts";
import { PostgresServer, whyNoPostgres } from "../../tests/support/postgres_server.ts";
import type { AppendRequest } from "./message_store.ts";
import { migratePostgres, openPostgresStore } from "./postgres.ts";

const APPS = ["kim", "other"], NAMES = ["ann", "bob", "cat"];
const app = fc.constantFrom(...APPS), name = fc.constantFrom(...NAMES);
const request: fc.Arbitrary<AppendRequest> = fc.record({
  app,
  sender: name,
  dest: name,
  body: fc.constantFrom("", "a", "grüße 👋", "\u0000"),
  key: fc.option(fc.record({ scope: fc.constantFrom("s1", "s2"), n: fc.nat(30), low: fc.constant(0) }), {
    nil: undefined,
  }),
  clientMsgId: fc.option(fc.constantFrom("c1", "c2", "c3"), { nil: undefined, freq: 2 }),
}).map((over) => talk(over.sender, over.dest, over));
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      batch: fc.array(request, { minLength: 1, maxLength: 12 }),
      fails: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ app, account: name, pos: fc.integer({ min: -1, max: 20 }) }) },
);

const why = whyNoPostgres();
const title = "PostgresStore under random steps answers and shows what a plain list would";
test.skipIf(why !== undefined)(why === undefined ? title : `${title} (skipped: ${why})`, async () => {
  await using server = await PostgresServer.start();
  const { url } = server;
  let made = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
      const schema = `random_${made++}`;
      await migratePostgres({ url, schema });
      let failing = false;
      const fault = (place: string) => {
        if (place !== "statement" || !failing) return;
        failing = false;
        throw new Error("injected");
      };
      await using store = await openPostgresStore({ url, schema, connections: 2, fault });
      const model = new MessageModel();
      for (const one of steps) {
        if ("batch" in one) {
          failing = one.fails;
          const { results } = model.expect(one.batch, one.fails ? "fails" : "works");
          expect(model.take(one.batch, results, await store.append(one.batch))).toBe("");
          failing = false;
        } else {
          const want = model.ack(one.app, one.account, "phone", one.pos);
          expect(await store.ack(one.app, one.account, "phone", one.pos)).toBe(want.pos);
          if (want.moves) model.move(one.app, one.account, "phone", want.pos);
        }
      }
      for (const app of APPS) {
        for (const account of NAMES) {
          const { rows } = await store.messages(app, account, { after: 0, limit: 1_000 });
          expect(rows).toEqual(model.rows(app, account, { after: 0, limit: 1_000 }));
        }
      }
    }),
    { numRuns: 12 },
  );
}, 60_000);
