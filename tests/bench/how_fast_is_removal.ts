/**
 * How many rows a second does retention remove from the SQLite store, and what do answers wait for it?
 *
 *     bun tests/bench/how_fast_is_removal.ts --help
 *     deno run -A tests/bench/how_fast_is_removal.ts --rows 10000000
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/base/clock.ts";
import { ImError } from "../../src/base/errors.ts";
import { Batcher } from "../../src/message/batcher.ts";
import type { AppendRequest } from "../../src/message/message_store.ts";
import { openSqliteStore, type SqliteStore } from "../../src/message/sqlite.ts";

const { values } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    rows: { type: "string", default: "400000" },
    pairs: { type: "string", default: "1000" },
    rate: { type: "string", default: "5000" },
    bytes: { type: "string", default: "128" },
    slice: { type: "string", default: "10000" },
    directory: { type: "string" },
  },
});

if (values.help) {
  console.log(`How fast is removal?

  --rows 400000    rows to be removed: a message is one, with three of its inboxes and its conversation
  --pairs 1000     who wrote them
  --rate 5000      messages a second that are stored meanwhile, open loop: times count from when each was due
  --bytes 128      body
  --slice 10000    messages that one call removes at most
  --directory DIR  where the database is made (default: the system's folder for temporary files)

Stores the rows, then the same load twice: alone for 5 s, and while all of them are removed.`);
  process.exit(0);
}

const ROWS_PER_MESSAGE = 4, TICK_MS = 4, ALONE_MS = 5_000;
const pairs = Number(values.pairs), rate = Number(values.rate), body = "x".repeat(Number(values.bytes));
const count = Math.ceil(Number(values.rows) / ROWS_PER_MESSAGE);
let sent = 0;

function next(): AppendRequest {
  const pair = sent++ % pairs;
  const key = { scope: `g_${pair}`, n: sent, low: sent };
  return { app: "kim", sender: `a${pair}`, dest: `b${pair}`, type: 1, body, extra: "", key, startBy: Infinity };
}

async function fill(store: SqliteStore): Promise<void> {
  for (let left = count; left > 0; left -= 1_024) {
    const results = await store.append(Array.from({ length: Math.min(1_024, left) }, next));
    for (const one of results) if (one instanceof ImError) throw one;
  }
}

/** Stores at the rate until told to end; gives p50 and p99 in ms. */
async function load(batcher: Batcher, ended: () => boolean): Promise<string> {
  const latencies: number[] = [], pending: Promise<unknown>[] = [];
  const started = performance.now();
  for (let due = 0; !ended();) {
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    for (const now = performance.now() - started; due * 1_000 / rate <= now; due++) {
      const dueMs = started + due * 1_000 / rate;
      pending.push(batcher.append(next()).then(() => latencies.push(performance.now() - dueMs)));
    }
  }
  await Promise.all(pending);
  latencies.sort((a, b) => a - b);
  const at = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(2);
  const perSecond = (latencies.length / (performance.now() - started) * 1_000).toFixed(0);
  return `${perSecond.padStart(6)} msg/s   p50 ${at(0.5)} ms   p99 ${at(0.99)} ms`;
}

async function removeAll(): Promise<number> {
  for (let all = 0;;) {
    const count = await store.removeBefore(until, Number(values.slice));
    if (count === 0) return all;
    all += count;
  }
}

const directory = mkdtempSync(join(values.directory ?? tmpdir(), "petrel-bench-"));
const size = () => `${(statSync(join(directory, "messages.db")).size / (1 << 20)).toFixed(0)} MiB`;
const store = await openSqliteStore({ directory });
const batcher = new Batcher(store, { clock: systemClock });
await fill(store);
console.log(`${count} messages, ${count * ROWS_PER_MESSAGE} rows, ${size()}`);
const until = BigInt(Date.now()) * 1_000_000n;
const aloneUntil = performance.now() + ALONE_MS;
console.log(`alone           ${await load(batcher, () => performance.now() > aloneUntil)}`);

let removed = -1;
const started = performance.now(), cpu = process.cpuUsage();
const removing = removeAll().then((found) => removed = found);
const beside = load(batcher, () => removed >= 0);
await removing;
const seconds = (performance.now() - started) / 1_000, used = process.cpuUsage(cpu);
console.log(`while removing  ${await beside}`);
console.log(
  `removed ${removed} messages, ${(removed * ROWS_PER_MESSAGE / seconds).toFixed(0)} rows/s; ` +
    `CPU ${((used.user + used.system) / 1e6 / seconds * 100).toFixed(0)} % of a core; ${size()}`,
);
await batcher[Symbol.asyncDispose]();
await store[Symbol.asyncDispose]();
rmSync(directory, { recursive: true });
