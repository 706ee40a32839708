import { expect, test } from "bun:test";
import process from "node:process";
import { PostgresServer, query, whyNoPostgres } from "../../tests/support/postgres_server.ts";
import { MIGRATIONS } from "../message/postgres/migrations.ts";
import { migrateMain } from "./migrate.ts";
import { printed } from "./printed.fixture.ts";

const migrate = (...args: string[]) => printed(() => migrateMain(args));
const steps = Object.keys(MIGRATIONS);

const why = whyNoPostgres();
const title = "migrate says what it did, does it once, and by several at once";
test.skipIf(why !== undefined)(why === undefined ? title : `${title} (skipped: ${why})`, async () => {
  await using server = await PostgresServer.start();
  const { url } = server;
  const schema = `migrate_${process.pid}`;
  const args = ["--database-url", `${url}?schema=${schema}`];
  const { code, out } = await printed(async () =>
    Math.max(...await Promise.all([1, 2, 3].map(() => migrateMain(args))))
  );
  expect(code).toBe(0);
  expect(out.split("\n").filter((line) => line.startsWith("Did "))).toEqual(steps.map((step) => `Did ${step}`));
  expect(out.split("\n").filter((line) => line.startsWith("The database ")).length).toBe(3);
  const again = await migrate("--database-url", url, "--schema", schema);
  expect(again).toMatchObject({ code: 0, out: "The database was up to date" });
  const tables = await query<{ name: string }>(
    url,
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = '${schema}'`,
  );
  expect(tables.map((row) => row.name)).toContain("messages");
  const restored = await migrate("--database-url", url, "--schema", schema, "--restored");
  expect(restored.out).toContain("Every log has a new epoch");
}, 60_000);

test("migrate refuses what it cannot use, and says the password to nobody", async () => {
  const { code, err } = await migrate("--database-url", "mysql://u:secret@h/d");
  expect(code).toBe(2);
  expect(err).toContain("--database-url is no postgres://");
  expect(err).not.toContain("secret");
  expect((await migrate("--nothing")).code).toBe(2);
  const bad = await migrate("--database-url", "postgres://u:secret@127.0.0.1:1/d", "--schema", 'x"; DROP');
  expect(bad.code).toBe(1);
  expect(bad.err).toContain("is no name");
  expect((await migrate("--help")).out).toContain("--restored");
});
