import { afterAll, expect, test } from "bun:test";
import { until } from "../../tests/browser/until.ts";
import { namingContract, testInstance } from "../../tests/contract/naming.ts";
import { whyNoRedis } from "../../tests/support/redis_server.ts";
import { UpstashStand } from "../../tests/support/upstash_stand.ts";
import { systemClock } from "../base/clock.ts";
import { silent } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import { Upstash } from "../upstash/client.ts";
import { UpstashNaming } from "./upstash.ts";

const why = whyNoRedis();
const withRedis = test.skipIf(why !== undefined);

let shared: Promise<UpstashStand> | undefined;
let opened = 0;
afterAll(async () => {
  await (await shared)?.[Symbol.asyncDispose]();
});

/** As a process has it: with its own client. */
function process(stand: UpstashStand, prefix: string, metrics = new Metrics()) {
  const upstash = new Upstash({ url: stand.url, token: stand.token, clock: systemClock, log: silent, metrics });
  const naming = new UpstashNaming(upstash, { prefix });
  return {
    naming,
    metrics,
    async [Symbol.asyncDispose]() {
      await naming[Symbol.asyncDispose]();
      await upstash[Symbol.asyncDispose]();
    },
  };
}

namingContract("upstash", async () => {
  const stand = await (shared ??= UpstashStand.start());
  const prefix = `n${opened++}:`;
  const one = process(stand, prefix), other = process(stand, prefix);
  return {
    one: one.naming,
    other: other.naming,
    instance: testInstance,
    async [Symbol.asyncDispose]() {
      await one[Symbol.asyncDispose]();
      await other[Symbol.asyncDispose]();
    },
  };
}, { skip: why });

withRedis("renewing and looking for changes is one request for everything a process has", async () => {
  const stand = await (shared ??= UpstashStand.start());
  await using one = process(stand, `n${opened++}:`);
  const all = ["a", "b", "c"].map((id) => one.naming.register(testInstance({ id })));
  const seen: number[] = [];
  for (const service of ["chat", "wgateway", "royal"]) one.naming.subscribe(service, (list) => seen.push(list.length));
  await until("found", () => Math.max(0, ...seen), (most) => most === 3);
  const before = one.metrics.read("petrel_redis_requests_total", { outcome: "ok" });
  const commands = one.metrics.read("petrel_redis_commands_total");
  const requests = () => one.metrics.read("petrel_redis_requests_total", { outcome: "ok" }) - before;
  await until("three more looks", requests, (count) => count >= 3);
  // Four commands each; one that was under way at the beginning or the end may count on one side only.
  const asked = one.metrics.read("petrel_redis_commands_total") - commands;
  expect(Math.abs(asked - requests() * 4)).toBeLessThanOrEqual(4);
  expect(all.map(({ problem }) => problem)).toEqual([undefined, undefined, undefined]);
}, 30_000);

withRedis("after a flush everybody is there again, and no subscriber is told that somebody went", async () => {
  await using stand = await UpstashStand.start();
  await using one = process(stand, "f:");
  await using other = process(stand, "f:");
  const registered = ["a", "b", "c"].map((id) => one.naming.register(testInstance({ id })));
  const told: string[] = [];
  other.naming.subscribe("chat", (list) => told.push(list.map(({ id }) => id).join("")));
  await until("told of all", () => told.at(-1), (last) => last === "abc");
  told.length = 0;
  for (const lose of [() => stand.ask("FLUSHALL"), () => stand.redis.kill().then(() => stand.redis.resume())]) {
    await lose();
    await until("all are back", async () => (await other.naming.find("chat").catch(() => [])).length, (n) => n === 3);
    await new Promise((go) => setTimeout(go, 2_000));
    expect(registered.map(({ problem }) => problem)).toEqual([undefined, undefined, undefined]);
  }
  expect(told).toEqual([]);
  await registered[1]![Symbol.asyncDispose]();
  await until("told of who left", () => told.at(-1), (last) => last === "ac", 30_000);
}, 60_000);

withRedis("a server that was killed is gone after its ten seconds, and its name free", async () => {
  const stand = await (shared ??= UpstashStand.start());
  const prefix = `n${opened++}:`;
  const killed = new Upstash({ url: stand.url, token: stand.token, clock: systemClock, log: silent });
  new UpstashNaming(killed, { prefix }).register(testInstance({ id: "a", incarnation: "first" }));
  await using other = process(stand, prefix);
  await until("found", async () => (await other.naming.find("chat")).length, (count) => count === 1);
  await killed[Symbol.asyncDispose](); // nothing renews it any more
  await using second = other.naming.register(testInstance({ id: "a", incarnation: "second" }));
  await until("refused", () => second.problem, (text) => text?.includes("has this name") === true);
  await until("taken over", () => second.problem, (text) => text === undefined, 30_000);
  expect((await other.naming.find("chat")).map(({ incarnation }) => incarnation)).toEqual(["second"]);
}, 60_000);

withRedis("values that are not ours are no servers", async () => {
  const stand = await (shared ??= UpstashStand.start());
  const prefix = `n${opened++}:`;
  await using one = process(stand, prefix);
  await using _a = one.naming.register(testInstance({ id: "a" }));
  for (const [id, value] of [["x", "nonsense"], ["y", "|"], ["z", "run|kaE="]] as const) {
    await stand.ask("SADD", `${prefix}servers:chat`, id);
    await stand.ask("SET", `${prefix}server:chat:${id}`, value);
  }
  await stand.ask("SADD", `${prefix}servers:chat`, "gone");
  await until("one server", async () => (await one.naming.find("chat")).map(({ id }) => id), (ids) => `${ids}` === "a");
  expect(await stand.ask("SISMEMBER", `${prefix}servers:chat`, "gone")).toBe(0);
  await stand.ask("SET", `${prefix}servers:royal`, "a string");
  expect(await one.naming.find("royal").catch((error) => error.code)).toBe("SYSTEM");
}, 30_000);

withRedis("a hundred processes that come up at once all find each other in seconds, with few requests", async () => {
  await using stand = await UpstashStand.start();
  await using all = new AsyncDisposableStack();
  const processes = Array.from({ length: 100 }, (_, i) => {
    const one = all.use(process(stand, "m:"));
    const registration = one.naming.register(testInstance({ id: `gate${i}`, service: "wgateway" }));
    const seen = { count: 0 };
    one.naming.subscribe("wgateway", (list) => seen.count = list.length);
    return { one, registration, seen };
  });
  await until("all have found all", () => processes.filter(({ seen }) => seen.count === 100).length, (n) => n === 100);
  expect(processes.filter(({ registration }) => registration.problem).length).toBe(0);
  const requests = () =>
    processes.reduce((sum, { one }) => sum + one.metrics.read("petrel_redis_requests_total", { outcome: "ok" }), 0);
  const before = requests(), startedMs = performance.now();
  await new Promise((go) => setTimeout(go, 2_000));
  // Each asks at most once a second.
  expect(requests() - before).toBeLessThanOrEqual(100 * (1 + (performance.now() - startedMs) / 1_000));
}, 120_000);
