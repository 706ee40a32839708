import { expect, test } from "bun:test";
import { ImError } from "../../src/base/errors.ts";
import { ConsulNaming } from "../../src/naming/consul.ts";
import { until } from "../browser/until.ts";
import { ConsulProcesses, found, LIMIT, problem, runs, told, watch } from "../support/consul_processes.ts";

/** A process with the server `a`, which follows who is there. */
async function oneServer(stand: ConsulProcesses) {
  const naming = stand.process();
  const registration = naming.register(stand.server("a"));
  await found(naming, "a");
  const seen = watch(naming);
  await told(seen, "a");
  return { naming, registration, seen };
}

/** Two processes with the servers `a` and `b`; the first one follows who is there. */
async function twoServers(stand: ConsulProcesses) {
  const one = stand.process(), other = stand.process();
  const a = one.register(stand.server("a", { id: "chat01" })), b = other.register(stand.server("b", { id: "chat02" }));
  await found(one, "a b");
  const seen = watch(one);
  await told(seen, "a b");
  return { other, a, b, seen };
}

test("Consul restarts and has forgotten everybody: they are there again, and no subscriber noticed", async () => {
  await using stand = await ConsulProcesses.start();
  const { other, a, b, seen } = await twoServers(stand);
  for (let i = 0; i < 3; i++) {
    await stand.consul.kill();
    await problem(a, "Cannot ask Consul");
    await stand.consul.revive();
    await problem(a, undefined);
    await problem(b, undefined);
    await found(other, "a b");
  }
  await new Promise((resolve) => setTimeout(resolve, 3_200));
  expect(seen.told).toEqual(["a b"]);
}, LIMIT);

test("who does not come back after Consul has forgotten everybody is told to be gone", async () => {
  await using stand = await ConsulProcesses.start();
  const { other, seen } = await twoServers(stand);
  await stand.consul.kill();
  other.die();
  await stand.consul.revive();
  await told(seen, "a");
  expect(seen.told).toEqual(["a b", "a"]);
}, LIMIT);

test("Consul restarts and remembers: nothing is missed", async () => {
  await using stand = await ConsulProcesses.start();
  const one = stand.process(), other = stand.process();
  one.register(stand.server("a", { id: "chat01" }));
  await found(one, "a");
  const seen = watch(other);
  await told(seen, "a");
  await stand.consul.kill();
  await stand.consul.revive(0, { keep: true });
  other.register(stand.server("b", { id: "chat02" }));
  await told(seen, "a b");
}, LIMIT);

test("while Consul is out of reach the last list stays, and asking says so", async () => {
  await using stand = await ConsulProcesses.start();
  const { naming, registration, seen } = await oneServer(stand);
  await stand.consul.kill();
  await until(
    "said in the log",
    () => stand.logged,
    (lines) => lines.some((line) => line.startsWith("naming is out of reach")),
  );
  await problem(registration, `Cannot ask Consul at ${stand.consul.url()}`);
  expect(await naming.find("chat").catch((error) => (error as ImError).code)).toBe("SYSTEM");
  expect(seen.told).toEqual(["a"]);
  // A subscriber of that time is told what is known.
  const late = watch(naming);
  await told(late, "a");
  await stand.consul.revive(0, { keep: true });
  await problem(registration, undefined);
  await until(
    "said in the log",
    () => stand.logged,
    (lines) => lines.some((line) => line.startsWith("naming is in reach again")),
  );
}, LIMIT);

test("a process that comes up while Consul is not there is found once it is", async () => {
  await using stand = await ConsulProcesses.start();
  await stand.consul.kill();
  const naming = stand.process();
  const registration = naming.register(stand.server("a")), seen = watch(naming);
  await problem(registration, "Cannot ask Consul");
  expect(seen.told).toEqual([]);
  await stand.consul.revive();
  await told(seen, "a");
  await problem(registration, undefined);
}, LIMIT);

test.each([500, 503, 429])(
  "answers with status %d are asked again, not at once, and change nothing",
  async (status) => {
    await using stand = await ConsulProcesses.start();
    const { naming, seen } = await oneServer(stand);
    stand.consul.faults = { status };
    const before = stand.consul.asked.length, startedMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 700));
    const asked = stand.consul.asked.length - before, ms = performance.now() - startedMs;
    // Two loops, each at least half of baseMs apart; the mean of their waits is far more.
    expect(asked).toBeLessThan(2 * ms / 12.5);
    expect(seen.told).toEqual(["a"]);
    stand.consul.faults = {};
    naming.register(stand.server("b", { id: "chat02" }));
    await told(seen, "a b");
  },
  LIMIT,
);

test.each([
  ["no JSON", "<html>"],
  ["no list", `{"a": 1}`],
  ["nothing", ""],
])("an answer that is %s changes nothing", async (_what, text) => {
  await using stand = await ConsulProcesses.start();
  const { naming, registration, seen } = await oneServer(stand);
  stand.consul.faults = { text };
  await problem(registration, "Cannot read");
  expect(await naming.find("chat").catch((error) => (error as ImError).code)).toBe("SYSTEM");
  stand.consul.faults = {};
  await problem(registration, undefined);
  expect(seen.told).toEqual(["a"]);
}, LIMIT);

test("slow answers delay, and lose nothing", async () => {
  await using stand = await ConsulProcesses.start();
  stand.consul.faults = { slowMs: 250 };
  const naming = stand.process();
  const seen = watch(naming);
  const a = naming.register(stand.server("a", { id: "chat01" }));
  await told(seen, "a");
  naming.register(stand.server("b", { id: "chat02" }));
  await told(seen, "a b");
  await a[Symbol.asyncDispose]();
  await told(seen, "b");
}, LIMIT);

test("an index that goes backwards begins anew: later changes are seen", async () => {
  await using stand = await ConsulProcesses.start();
  const naming = stand.process();
  for (let i = 0; i < 20; i++) await naming.register(stand.server("x"))[Symbol.asyncDispose]();
  naming.register(stand.server("a", { id: "chat01" }));
  const seen = watch(naming);
  await told(seen, "a");
  stand.consul.turnBack();
  naming.register(stand.server("b", { id: "chat02" }));
  await told(seen, "a b");
}, LIMIT);

test.each([
  ["is always 0", { index: "0", hasty: true }],
  ["is missing", { index: "", hasty: true }],
  ["is no number", { index: "soon", hasty: true }],
  ["changes all the time", { hasty: true }],
])("a Consul whose index %s is not asked without end", async (_what, faults) => {
  await using stand = await ConsulProcesses.start();
  stand.consul.faults = faults;
  const naming = stand.process(0, { times: { rateMs: 200 } });
  const seen = watch(naming);
  await told(seen, "");
  const before = stand.consul.asked.length, startedMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 600));
  const ms = performance.now() - startedMs;
  expect(stand.consul.asked.length - before).toBeLessThanOrEqual(5 + Math.ceil(ms / 200) + 1);
  naming.register(stand.server("a"));
  await told(seen, "a");
}, LIMIT);

test("entries that make no sense are left out, and said once", async () => {
  await using stand = await ConsulProcesses.start();
  stand.consul.put(0, { ID: "bad", Name: "chat", Port: 0 });
  stand.consul.put(0, { ID: "chat07", Name: "chat", Port: 7 });
  const naming = stand.process();
  const seen = watch(naming);
  await until("told", () => seen.told.length, (count) => count === 1);
  expect((await naming.find("chat")).map(({ id }) => id)).toEqual(["chat07"]);
  naming.register(stand.server("a"));
  await told(seen, "a ");
  expect(stand.logged.filter((line) => line.startsWith("servers in naming are not understood")).length).toBe(1);
}, LIMIT);

test("leaving while Consul is out of reach ends, and is said", async () => {
  await using stand = await ConsulProcesses.start();
  const naming = stand.process();
  const registration = naming.register(stand.server("a"));
  await found(naming, "a");
  await stand.consul.kill();
  await registration[Symbol.asyncDispose]();
  expect(stand.logged.filter((line) => line.startsWith("leaving naming failed")).length).toBe(1);
}, LIMIT);

test("closing naming takes its servers out and ends its questions", async () => {
  await using stand = await ConsulProcesses.start();
  const naming = stand.process(), other = stand.process();
  naming.register(stand.server("a", { id: "chat01" }));
  naming.register(stand.server("b", { id: "chat02" }));
  watch(naming);
  await found(other, "a b");
  await naming[Symbol.asyncDispose]();
  expect(runs(await other.find("chat"))).toBe("");
  const asked = stand.consul.asked.length;
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(stand.consul.asked.length).toBe(asked);
}, LIMIT);

test("an address that is none is refused at once", () => {
  for (const url of ["", "consul.internal:8500", "ftp://consul", "http://"]) {
    expect(() => new ConsulNaming({ url })).toThrow("Cannot use Consul");
  }
});
