/**
 * How many messages a second does the PostgreSQL store take, called with batches of one size?
 *
 *     bun tests/bench/how_fast_is_postgres.ts [--sizes 1,40,256] [--seconds 3] [--url postgres://…] [--group 500] [--no-fsync]
 *
 * On a server of its own with fsync, or in a schema of its own that is dropped afterwards.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { AppendRequest } from "../../src/message/message_store.ts";
import { migratePostgres, openPostgresStore } from "../../src/message/postgres.ts";
import { group, groupTalk } from "../contract/group_talk.ts";
import { talk } from "../contract/message_talk.ts";
import { PostgresServer, query } from "../support/postgres_server.ts";

const { values } = parseArgs({
  options: {
    sizes: { type: "string", default: "1,40,256" },
    seconds: { type: "string", default: "3" },
    url: { type: "string" },
    group: { type: "string", default: "500" },
    "no-fsync": { type: "boolean", default: false },
  },
});
const own = values.url === undefined ? await PostgresServer.start({ fsync: !values["no-fsync"] }) : undefined;
await using stack = new AsyncDisposableStack();
if (own) stack.use(own);
const url = values.url ?? own!.url;
const schema = `bench_${process.pid}`;
await migratePostgres({ url, schema });
stack.defer(() => query(url, `DROP SCHEMA ${schema} CASCADE`).then(() => {}));
const store = stack.use(await openPostgresStore({ url, schema }));
let n = 0;

/** Calls the store one batch after the other. */
async function measure(what: string, size: number, make: (k: number) => AppendRequest): Promise<void> {
  let from = 0, batches = 0;
  const seconds = Number(values.seconds);
  for (const warm = performance.now(); performance.now() - warm < 1_000 * (1 + seconds);) {
    if (from === 0 && performance.now() - warm > 1_000) from = performance.now();
    await store.append(Array.from({ length: size }, (_, k) => make(k)));
    if (from > 0) batches++;
  }
  const ms = performance.now() - from;
  console.log(`${what}: ${Math.round(1000 * batches * size / ms)} messages/s, ${(ms / batches).toFixed(2)} ms a batch`);
}

const common = (scope: string) => ({
  body: "x".repeat(128),
  key: { scope, n: ++n, low: Math.max(1, n - 300) },
  clientMsgId: crypto.randomUUID(),
});
for (const size of values.sizes.split(",").map(Number)) {
  await measure(`batches of ${size}`, size, (k) => talk(`s${k % 40}`, `d${k % 40}`, common(`c${k % 40}`)));
}
const members = Array.from({ length: Number(values.group) - 1 }, (_, i) => `m${i}`);
const { id } = await store.createGroup(group("ann", members));
await measure(`a group of ${values.group}, batches of 8`, 8, () => groupTalk("ann", id, common("g")));
