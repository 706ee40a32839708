/**
 * Stores on a PostgreSQL of their own, judged by their answers. As a program:
 *
 *     bun tests/support/postgres_rounds.ts kill --rounds 20 --seed 7     kill -9 of the server under load
 *     bun tests/support/postgres_rounds.ts two --batches 2000            two stores, senders of one receiver
 *     bun tests/support/postgres_rounds.ts system --rounds 20 --seed 7   kill -9 under a whole server, judged by petrel load
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { ImError } from "../../src/base/errors.ts";
import { Metrics } from "../../src/base/metrics.ts";
import { Random } from "../../src/load/random.ts";
import type { ImStore } from "../../src/message/message_store.ts";
import { migratePostgres, openPostgresStore, type PostgresOptions } from "../../src/message/postgres.ts";
import { talk } from "../contract/message_talk.ts";
import { PostgresServer, query } from "./postgres_server.ts";
import { shellCommand, startScript } from "./processes.ts";

/** Kills the server at random moments while four senders write, each message again until it is answered. */
export async function killRounds(server: PostgresServer, options: PostgresOptions, rounds: number, seed: number) {
  const random = new Random(seed);
  await using store = await openPostgresStore(options);
  const answered: string[] = [];
  let running = true;
  const senders = Array.from({ length: 4 }, async (_, sender) => {
    for (let n = 1; running; n++) {
      const request = talk("ann", "bob", { body: `${sender} ${n}`, key: { scope: `c${sender}`, n, low: n } });
      for (;;) {
        const [result] = await store.append([request]);
        if (!(result instanceof ImError)) break;
        await new Promise((go) => setTimeout(go, 20));
      }
      answered.push(request.body);
    }
  });
  let killed = 0;
  for (let round = 0; round < rounds; round++) {
    const from = answered.length;
    await until(() => answered.length > from + 10);
    await new Promise((go) => setTimeout(go, 100 * random.next()));
    await server.kill();
    killed++;
    await server.resume();
  }
  const from = answered.length;
  await until(() => answered.length > from + 10);
  running = false;
  await Promise.all(senders);
  await expectExactly(store, answered);
  return { killed, answered: answered.length };
}

/** Senders of two stores write to one account, from groups of senders that overlap. */
export async function twoStores(options: PostgresOptions, batches: number) {
  const metrics = [new Metrics(), new Metrics()];
  const bodies: string[] = [];
  await Promise.all(metrics.map(async (one, which) => {
    await using store = await openPostgresStore({ ...options, node: which, metrics: one });
    for (let i = 0; i < batches; i++) {
      const batch = Array.from({ length: 5 }, (_, k) => talk(`s${k}`, "bob", { body: `${which} ${i} ${k}` }));
      const results = await store.append(batch);
      for (const [k, result] of results.entries()) {
        if (result instanceof ImError) throw result;
        bodies.push(batch[k]!.body);
      }
    }
  }));
  await using judge = await openPostgresStore(options);
  await expectExactly(judge, bodies, 5);
  const waits = metrics.reduce((sum, one) => sum + one.read("petrel_store_lock_waits_total"), 0);
  return { waits, batches: 2 * batches, bodies };
}

/** Kills the server of a dev system at random moments while `petrel load user-talk` writes and judges. Gives its verdict. */
export async function systemRounds(server: PostgresServer, rounds: number, rate: number, seed: number) {
  const random = new Random(seed);
  const seconds = rounds * ROUND_SECONDS;
  const args = ["load", "user-talk", "--rate", `${rate}`, "--seconds", `${seconds}`, "--quiet"];
  const command = shellCommand("src/cli/main.ts", "dev", "--database-url", server.url);
  await using load = await startScript("src/cli/main.ts", [...args, "--server", command]);
  await until(async () => (await talks(server.url)) > 0);
  for (let round = 0; round < rounds; round++) {
    await new Promise((go) => setTimeout(go, 1000 * (ROUND_SECONDS - 2) * random.next() + 1000));
    await server.kill();
    await server.resume();
  }
  const { code } = await load.exited;
  return { code, report: load.stdout + load.stderr };
}

/** About what a round takes: a kill, a restart, and some time to write. */
const ROUND_SECONDS = 5;

/** Messages stored; 0 as long as there is no such table. */
async function talks(url: string): Promise<number> {
  try {
    const [row] = await query<{ n: number }>(url, "SELECT count(*)::int4 AS n FROM petrel.messages");
    return row?.n ?? 0;
  } catch { // the system is still making its schema
    return 0;
  }
}

/** Every body is stored once in bob's inbox, and its positions count 1, 2, 3…; with one sender, its seqs too. @throws */
export async function expectExactly(store: ImStore, bodies: readonly string[], senders = 1): Promise<void> {
  const { rows, head } = await store.messages("kim", "bob", { after: 0, limit: 1_000_000 });
  const got = rows.map((row) => row.body).sort(), want = [...bodies].sort();
  const wrong = want.find((body, i) => got[i] !== body);
  if (wrong !== undefined || got.length !== want.length) {
    throw new Error(`Stored are ${got.length} messages, answered ${want.length}; the first that differs: ${wrong}`);
  }
  const hole = rows.find((row, i) => row.pos !== i + 1 || (senders === 1 && row.seq !== i + 1));
  if (hole || head.pos !== bodies.length) {
    throw new Error(`Numbers are not dense at ${hole?.pos}, the head is ${head.pos}`);
  }
}

async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  while (!await done()) await new Promise((go) => setTimeout(go, 20));
}

if (import.meta.main) {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "20" },
      seed: { type: "string", default: "7" },
      batches: { type: "string", default: "2000" },
      rate: { type: "string", default: "500" },
    },
  });
  await using server = await PostgresServer.start({ fsync: true });
  const options = { url: server.url, schema: "petrel" };
  process.exitCode = 0;
  if (positionals[0] === "system") {
    const { code, report } = await systemRounds(
      server,
      Number(values.rounds),
      Number(values.rate),
      Number(values.seed),
    );
    console.log(report);
    console.log(`${values.rounds} kills of PostgreSQL: ${code === 0 ? "OK" : "WRONG"}`);
    process.exitCode = code ?? 1;
  } else if (positionals[0] === "kill") {
    await migratePostgres(options);
    const { killed, answered } = await killRounds(server, options, Number(values.rounds), Number(values.seed));
    console.log(`${killed} kills, ${answered} messages answered: each stored once, numbers dense`);
  } else {
    await migratePostgres(options);
    const { waits, batches } = await twoStores(options, Number(values.batches));
    const share = (100 * waits / batches).toFixed(0);
    console.log(`${batches} batches of two stores, ${share} % waited for the other's lock: each stored once, dense`);
  }
}
