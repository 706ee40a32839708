import { afterAll, expect, test } from "bun:test";
import { leasesContract } from "../../tests/contract/leases.ts";
import { sessionStoreContract } from "../../tests/contract/session_store.ts";
import { whyNoRedis } from "../../tests/support/redis_server.ts";
import { UpstashStand } from "../../tests/support/upstash_stand.ts";
import { systemClock } from "../base/clock.ts";
import { silent } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import { Upstash, type UpstashOptions } from "../upstash/client.ts";
import { gatewayLease } from "./leases.ts";
import type { Session } from "./store.ts";
import { UpstashLeases } from "./upstash_leases.ts";
import { UpstashSessionStore } from "./upstash.ts";

const why = whyNoRedis();
const withRedis = test.skipIf(why !== undefined);

/** One Redis for all tests, and a prefix of its own for each. */
let shared: Promise<UpstashStand> | undefined;
let opened = 0;
afterAll(async () => {
  await (await shared)?.[Symbol.asyncDispose]();
});
const connect = (stand: UpstashStand, more: Partial<UpstashOptions> = {}) =>
  new Upstash({ url: stand.url, token: stand.token, clock: systemClock, log: silent, ...more });

async function openStore(devices: number) {
  const stand = await (shared ??= UpstashStand.start());
  const prefix = `t${opened++}:`;
  const upstash = connect(stand);
  const leases = new UpstashLeases(upstash, { prefix });
  const store = new UpstashSessionStore(upstash, { devices, prefix });
  return { store, leases, upstash, stand, prefix };
}

if (why !== undefined) console.log(`Skipped tests of Upstash sessions and leases: ${why}`);
else {
  sessionStoreContract("upstash", openStore);
  leasesContract("upstash", async () => (await openStore(1)).leases);
}

function session(more: Partial<Session> = {}): Session {
  return {
    ...{ app: "kim", account: "ann", device: "phone", channelId: "c1", gateId: "gw1", incarnation: "" },
    ...{ content: "protobuf", generation: 1n, remoteIp: "127.0.0.1", zone: "", isp: "", tags: [] },
    ...more,
  };
}

withRedis("a session comes back as it was, whatever its names are", async () => {
  const { store } = await openStore(16);
  const odd = session({
    account: "an~n%é☃",
    device: "ph,o|n:e 1",
    channelId: "gw,1|x:ann 7%",
    gateId: "gw,1|:",
    generation: 2n ** 63n - 1n,
    content: "json",
    remoteIp: "2001:db8::1",
    zone: "z1",
    isp: "ISP 1",
    tags: ["a,b", "|"],
  });
  await store.add(odd);
  expect(await store.get(odd.channelId)).toEqual(odd);
  const { account, device, channelId, gateId, content } = odd;
  expect(await store.locate("kim", [account])).toEqual([{ account, device, channelId, gateId, content }]);
  expect(await store.add({ ...odd, channelId: "c2" })).toEqual([odd]);
  expect(await store.end("c2")).toBe(true);
  expect(await store.locate("kim", [account])).toEqual([]);
});

withRedis("a login, a logout or a claim whose answer was lost is asked again and gives the same", async () => {
  const { stand, prefix } = await openStore(16);
  // Carries the request out, and loses its answer.
  let lose = 0;
  const losing = Object.assign(async (input: string | URL | Request, init?: RequestInit) => {
    const response = await fetch(input, init);
    if (lose-- <= 0) return response;
    await response.text();
    throw new TypeError("fetch failed");
  }, { preconnect: () => {} });
  await using upstash = connect(stand, { fetch: losing });
  const store = new UpstashSessionStore(upstash, { devices: 16, prefix });
  const leases = new UpstashLeases(upstash, { prefix });
  const old = session({ channelId: "c1", generation: 1n });
  await store.add(old);
  lose = 1;
  expect(await store.add(session({ channelId: "c2", generation: 2n }))).toEqual([old]);
  lose = 1;
  expect(await store.end("c2")).toBe(true);
  lose = 1;
  expect(await store.restore([session({ channelId: "c3", generation: 3n })])).toEqual([]);
  expect((await store.locate("kim", ["ann"])).map((one) => one.channelId)).toEqual(["c3"]);
  lose = 1;
  expect(await leases.claim("gate:x", "me", 5_000)).toBe("made");
  expect(await leases.claim("gate:x", "me", 5_000)).toBe("kept");
  // A login that comes late, after the next one of that device, does not take it back.
  await store.add(session({ channelId: "c4", generation: 4n }));
  expect(await store.add(session({ channelId: "c3", generation: 3n })).catch((error) => error.code)).toBe("CLOSED");
});

withRedis("look-ups of one tick are one request, and each account is asked once", async () => {
  const { stand, prefix } = await openStore(16);
  const metrics = new Metrics();
  const asked: string[][] = [];
  const counting = Object.assign((input: string | URL | Request, init?: RequestInit) => {
    const body = JSON.parse(String(init?.body));
    asked.push(...(Array.isArray(body[0]) ? body : [body]));
    return fetch(input, init);
  }, { preconnect: () => {} });
  await using upstash = connect(stand, { metrics, fetch: counting });
  const store = new UpstashSessionStore(upstash, { devices: 16, prefix });
  for (const name of ["ann", "bob", "cy"]) await store.add(session({ account: name, channelId: `c-${name}` }));
  asked.length = 0;
  const before = metrics.read("petrel_redis_requests_total", { outcome: "ok" });
  const found = await Promise.all([
    store.locate("kim", ["ann", "bob"]),
    store.locate("kim", ["bob", "cy", "nobody"]),
    store.locate("kim", ["bob"]),
  ]);
  expect(found.map((one) => one.map(({ account }) => account))).toEqual([["ann", "bob"], ["bob", "cy"], ["bob"]]);
  expect(metrics.read("petrel_redis_requests_total", { outcome: "ok" }) - before).toBe(1);
  expect(asked.length).toBe(1);
  expect(asked[0]!.filter((arg) => arg.includes("at:")).length).toBe(4);
});

withRedis("what a dead gateway left is taken out when it is come upon", async () => {
  const { leases, stand, prefix, upstash } = await openStore(16);
  const store = new UpstashSessionStore(upstash, { devices: 16, prefix, leftMs: 100 });
  await leases.claim(gatewayLease("run1"), "run1", 20_000);
  await store.add(session({ incarnation: "run1" }));
  await store.add(session({ device: "desk", channelId: "c2", generation: 2n }));
  await leases.release(gatewayLease("run1"), "run1");
  for (;;) {
    const found = await store.locate("kim", ["ann"]);
    const text = String(await stand.ask("GET", `${prefix}at:kim:ann`));
    if (found.length === 1 && !text.includes("phone") && text.includes("desk")) break;
    await new Promise((go) => setTimeout(go, 50));
  }
  expect(await store.get("c1")).toBeUndefined();
  expect(await store.touch(["c1", "c2"])).toEqual(["c1"]);
});

withRedis("sessions end after two days without a word, and a touch renews them", async () => {
  const { store, stand, prefix } = await openStore(16);
  await store.add(session());
  const keys = [`${prefix}at:kim:ann`, `${prefix}ch:c1`];
  for (const key of keys) expect(await stand.ask("TTL", key)).toBe(172_800);
  for (const key of keys) await stand.ask("EXPIRE", key, 160_000);
  expect(await store.touch(["c1"])).toEqual([]);
  for (const key of keys) expect(await stand.ask("TTL", key)).toBe(172_800);
  await store.end("c1");
  const left = await stand.ask("KEYS", `${prefix}*`);
  expect(left).toEqual([`${prefix}ch:c1`]); // the end is remembered for a minute
  expect(await stand.ask("PTTL", `${prefix}ch:c1`) as number).toBeLessThanOrEqual(60_000);
});

withRedis("values that are not ours hurt nobody", async () => {
  const { store, stand, prefix } = await openStore(16);
  await stand.ask("SET", `${prefix}at:kim:ann`, "nonsense,a|b,|||,x|1|c|!!!,y|2|c|kaE=");
  expect(await store.locate("kim", ["ann"])).toEqual([]);
  await store.add(session());
  expect((await store.locate("kim", ["ann"])).map((one) => one.channelId)).toEqual(["c1"]);
  await stand.ask("HSET", `${prefix}ch:c9`, "v", "nonsense");
  expect(await store.get("c9").catch((error) => error.code)).toBe("SYSTEM");
  await stand.ask("SET", `${prefix}ch:c8`, "a string");
  expect(await store.get("c8").catch((error) => error.code)).toBe("SYSTEM");
  expect(await store.add(session({ channelId: "c8", generation: 9n })).catch((error) => error.code)).toBe("SYSTEM");
});

withRedis("a gateway that has its lease again is found at once, whatever was known a moment ago", async () => {
  const { store, upstash, prefix } = await openStore(16);
  const leases = new UpstashLeases(upstash, { prefix });
  const name = gatewayLease("run1");
  await leases.claim(name, "run1", 60_000);
  await store.add(session({ incarnation: "run1" }));
  const located = async () => (await store.locate("kim", ["ann"])).length;
  expect(await located()).toBe(1);
  await leases.release(name, "run1");
  while (await located() > 0) await new Promise((go) => setTimeout(go, 20));
  await leases.claim(name, "run1", 60_000);
  expect(await located()).toBe(1);
});
