/**
 * How much CPU does it take to find out where a message's two accounts are, in Upstash Redis? Look-ups are kept in flight against
 * `petrel upstash` with a redis-server of its own, three processes on this machine.
 *
 *   bun tests/bench/how_fast_is_locate.ts [--flight 64] [--seconds 5] [--accounts 1000]
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import { gatewayLease } from "../../src/session/leases.ts";
import { UpstashSessionStore } from "../../src/session/upstash.ts";
import { UpstashLeases } from "../../src/session/upstash_leases.ts";
import { Upstash } from "../../src/upstash/client.ts";
import { startScript } from "../support/processes.ts";
import { tempDir } from "../support/temp.ts";

const { values } = parseArgs({
  options: {
    flight: { type: "string", default: "64" },
    seconds: { type: "string", default: "5" },
    accounts: { type: "string", default: "1000" },
  },
});
const [flight, seconds, accounts] = [Number(values.flight), Number(values.seconds), Number(values.accounts)];

await using folder = await tempDir();
const args = ["--http", "localhost:0", "--token", "bench", "--start-redis", folder.in("redis")];
await using stand = await startScript("scripts/upstash_local.ts", args);
const [, url] = await stand.find(/UPSTASH_REDIS_REST_URL=(\S+)/, 30_000);
const metrics = new Metrics();
await using upstash = new Upstash({ url: url!, token: "bench", clock: systemClock, log: silent, metrics });
const store = new UpstashSessionStore(upstash, { devices: 16 });
const leases = new UpstashLeases(upstash);
const renew = setInterval(() => void leases.claim(gatewayLease("run1"), "run1", 10_000), 3_000);
await leases.claim(gatewayLease("run1"), "run1", 10_000);
const place = { gateId: "gate01", incarnation: "run1", content: "protobuf", remoteIp: "127.0.0.1" } as const;
await Promise.all(Array.from({ length: accounts }, (_, i) =>
  store.add({
    ...{
      app: "kim",
      account: `user${i}`,
      device: "phone",
      channelId: `gate01_user${i}_${i}`,
      generation: BigInt(i + 1),
    },
    ...{ ...place, zone: "", isp: "", tags: [] },
  })));
const redis = Number(readFileSync(`/proc/${stand.pid}/task/${stand.pid}/children`, "utf8").trim().split(" ")[0]);

/** User and system time of a process, in µs. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

async function run(forMs: number): Promise<void> {
  const untilMs = performance.now() + forMs;
  let done = 0, next = 0;
  const requests = () => metrics.read("petrel_redis_requests_total", { outcome: "ok" });
  const before = { own: process.cpuUsage(), stand: cpuOf(stand.pid), redis: cpuOf(redis), requests: requests() };
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: flight }, async () => {
    while (performance.now() < untilMs) {
      const i = next++ % accounts;
      const found = await store.locate("kim", [`user${i}`, `user${(i * 7 + 1) % accounts}`]);
      if (found.length === 0) throw new Error("Nobody was found");
      done++;
    }
  }));
  const tookMs = performance.now() - startedMs;
  const own = process.cpuUsage(before.own);
  const each = (micros: number) => (micros / done).toFixed(1);
  const asked = requests() - before.requests;
  console.log(
    `${Math.round(done / tookMs * 1000)} look-ups/s, ${(done / asked).toFixed(1)} a request; CPU µs each: ` +
      `client ${each(own.user + own.system)}, petrel upstash ${each(cpuOf(stand.pid) - before.stand)}, ` +
      `redis ${each(cpuOf(redis) - before.redis)}; ${(tookMs / done * flight).toFixed(2)} ms`,
  );
}

await run(1_000);
for (let i = 0; i < 3; i++) await run(seconds * 1_000 / 3);
clearInterval(renew);
