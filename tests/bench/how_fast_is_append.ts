/**
 * How many messages a second does the SQLite store take, behind the batcher, and what does one cost the calling thread?
 *
 *     bun tests/bench/how_fast_is_append.ts --help
 *     deno run -A tests/bench/how_fast_is_append.ts --seconds 5
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/base/clock.ts";
import { Batcher } from "../../src/message/batcher.ts";
import { openSqliteStore } from "../../src/message/sqlite.ts";

const { values } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    seconds: { type: "string", default: "3" },
    cases: { type: "string", default: "40x1,40x16,40x64,1000x1,1g100x1,1g100x16,1g500x1,1g500x16" },
    bytes: { type: "string", default: "128" },
    sync: { type: "string", default: "full" },
    inline: { type: "boolean", default: false },
    "client-ids": { type: "boolean", default: false },
    acks: { type: "boolean", default: false },
    tail: { type: "string", default: "8000" },
    faults: { type: "string" },
    directory: { type: "string" },
  },
});

if (values.help) {
  console.log(`How fast is append?

  --cases 40x1,1g500x16 pairs x requests each pair keeps in flight; groups g members x requests in flight
                        (default ${values.cases})
  --seconds 3           per case, after one second of warming up
  --bytes 128           body
  --sync full|normal    default full
  --inline              writer in this thread instead of a Worker
  --client-ids          every message has a client id
  --acks                every message is acknowledged by its receiver
  --tail 8000           index rows that may wait in memory
  --faults sync=delay:8 a slower disk (src/message/sqlite/faults.ts)
  --directory DIR       where the database is made (default: the system's folder for temporary files)

Columns: thousand messages a second; p50 and p99 of append in ms; CPU of the calling thread and of the whole process
in us per message; KiB written to disk per message; messages per transaction. CPU and KiB need Linux.`);
  process.exit(0);
}

const body = "x".repeat(Number(values.bytes));

interface Sample {
  readonly atMs: number;
  readonly done: number;
  readonly threadUs: number;
  readonly processUs: number;
  readonly writtenBytes: number;
  readonly commits: number;
}

/** "40x16" or "1g500x16". */
interface Case {
  readonly name: string;
  /** Pairs, or groups. */
  readonly pairs: number;
  /** Of each group; undefined: pairs. */
  readonly members: number | undefined;
  readonly window: number;
}

function readCase(name: string): Case {
  const [, pairs, members, window] = /^(\d+)(?:g(\d+))?x(\d+)$/.exec(name) ?? [];
  if (!pairs || !window) throw new Error(`Cannot read case: ${name}`);
  return { name, pairs: Number(pairs), members: members ? Number(members) : undefined, window: Number(window) };
}

async function measure({ name, pairs, members, window }: Case): Promise<string> {
  const directory = mkdtempSync(join(values.directory ?? tmpdir(), "petrel-bench-"));
  const store = await openSqliteStore({
    directory,
    sync: values.sync === "normal" ? "normal" : "full",
    threads: !values.inline,
    tailRows: Number(values.tail),
    inboxGroup: members,
    faults: values.faults,
  });
  const batcher = new Batcher(store, { clock: systemClock });
  let running = true, measuring = false, done = 0;
  const latencies: number[] = [];

  const groups: string[] = [];
  for (let i = 0; members && i < pairs; i++) {
    const names = Array.from({ length: members - 1 }, (_, j) => `member${i}_${j}`);
    const owner = `alice${i}`, texts = { name: "bench", avatar: "", introduction: "" };
    groups.push((await store.createGroup({ app: "kim", owner, ...texts, members: names, startBy: Infinity })).id);
  }

  async function send(pair: number, slot: number): Promise<void> {
    const sender = `alice${pair}`, dest = groups[pair] ?? `bob${pair}`, scope = `gate01_kim_alice${pair}_${slot}`;
    for (let n = 1; running; n++) {
      const started = performance.now();
      const stored = await batcher.append({
        app: "kim",
        sender,
        dest,
        group: groups.length > 0,
        type: 1,
        body,
        extra: "",
        key: { scope, n, low: n },
        clientMsgId: values["client-ids"] ? `${scope}_${n}` : undefined,
        startBy: started + 4_000,
      });
      if (values.acks && !members) void batcher.ack("kim", dest, "", stored.receiverPos);
      done++;
      if (measuring && (members || (n & 7) === 0)) latencies.push(performance.now() - started);
    }
  }

  const sample = (): Sample => ({
    atMs: performance.now(),
    done,
    threadUs: threadUs(),
    processUs: processUs(),
    writtenBytes: writtenBytes(),
    commits: store.stats().commits,
  });
  const senders = Array.from({ length: pairs * window }, (_, i) => send(i % pairs, Math.floor(i / pairs)));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const before = sample();
  measuring = true;
  await new Promise((resolve) => setTimeout(resolve, Number(values.seconds) * 1_000));
  const after = sample();
  running = false;
  await Promise.all(senders);
  await batcher[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });

  const count = after.done - before.done;
  latencies.sort((a, b) => a - b);
  const at = (share: number) => (latencies[Math.floor(latencies.length * share)] ?? 0).toFixed(2);
  return [
    name.padEnd(16),
    (count / (after.atMs - before.atMs)).toFixed(members ? 2 : 1).padStart(8),
    at(0.5).padStart(8),
    at(0.99).padStart(8),
    ((after.threadUs - before.threadUs) / count).toFixed(2).padStart(10),
    ((after.processUs - before.processUs) / count).toFixed(2).padStart(10),
    ((after.writtenBytes - before.writtenBytes) / 1024 / count).toFixed(2).padStart(10),
    (count / (after.commits - before.commits)).toFixed(0).padStart(8),
  ].join(" ");
}

function threadUs(): number {
  return Number(proc(`task/${process.pid}/schedstat`).split(" ")[0]) / 1_000;
}

function processUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function writtenBytes(): number {
  return Number(/^write_bytes: (\d+)$/m.exec(proc("io"))?.[1]);
}

function proc(name: string): string {
  try {
    return readFileSync(`/proc/self/${name}`, "utf8");
  } catch { // not Linux: the column says NaN
    return "";
  }
}

console.log(
  `${"".padEnd(16)} ${"k msg/s".padStart(8)} ${"p50 ms".padStart(8)} ${"p99 ms".padStart(8)} ` +
    `${"thread us".padStart(10)} ${"process us".padStart(10)} ${"KiB/msg".padStart(10)} ${"batch".padStart(8)}`,
);
for (const one of values.cases.split(",")) {
  console.log(await measure(readCase(one)));
}
