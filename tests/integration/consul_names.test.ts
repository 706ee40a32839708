import { expect, test } from "bun:test";
import { until } from "../browser/until.ts";
import { testInstance } from "../contract/naming.ts";
import { ConsulProcesses, found, LIMIT, problem, told, watch } from "../support/consul_processes.ts";

test("a server whose check fails is found no more, is told so, and comes back", async () => {
  await using stand = await ConsulProcesses.start();
  const naming = stand.process();
  const registration = naming.register(stand.server("a")), seen = watch(naming);
  await told(seen, "a");
  stand.sick.add("a");
  await told(seen, "");
  await problem(registration, "its check fails: http://");
  stand.sick.delete("a");
  await told(seen, "a");
  await problem(registration, undefined);
}, LIMIT);

test("a server that died keeps its name while it seems to live, then another run has it", async () => {
  await using stand = await ConsulProcesses.start({ agents: 2 });
  const old = stand.process(0), next = stand.process(1);
  old.register(stand.server("a"));
  await found(next, "a");
  old.die();
  const taken = next.register(stand.server("b"));
  await problem(taken, "give each its own id");
  stand.sick.add("a");
  await problem(taken, undefined);
  await found(next, "b");
  // Consul removes the dead one after a minute (of the stand).
  await until("removed", () => stand.consul.idsAt(0), (ids) => ids.length === 0);
  await found(next, "b");
}, LIMIT);

test(
  "a run at the address of an older one takes its name at once, and keeps it when the older one leaves",
  async () => {
    await using stand = await ConsulProcesses.start();
    const old = stand.process(), next = stand.process();
    const first = old.register(stand.server("a", { port: 8005 }));
    await found(old, "a");
    const second = next.register(stand.server("b", { port: 8005 }));
    await problem(second, undefined);
    await problem(first, "has this name");
    await found(old, "b");
    await first[Symbol.asyncDispose]();
    await found(next, "b");
    await second[Symbol.asyncDispose]();
    await found(next, "");
  },
  LIMIT,
);

test("a run that seemed dead and comes back yields to the one that took its name", async () => {
  await using stand = await ConsulProcesses.start({ agents: 2 });
  const old = stand.process(0), next = stand.process(1);
  const first = old.register(stand.server("a"));
  await found(next, "a");
  stand.sick.add("a");
  await problem(first, "its check fails");
  const second = next.register(stand.server("b"));
  await problem(second, undefined);
  stand.sick.delete("a");
  await problem(first, "has this name");
  await until("taken out", () => stand.consul.idsAt(0), (ids) => ids.length === 0);
  await found(old, "b");
  expect(second.problem).toBeUndefined();
}, LIMIT);

test.each([1, 2])(
  "of two runs that register at the same moment at %d agents one is in and one is told why not",
  async (agents) => {
    await using stand = await ConsulProcesses.start({ agents });
    for (let i = 0; i < 5; i++) {
      const one = stand.process(0), other = stand.process(agents - 1);
      const both = [one.register(stand.server("a")), other.register(stand.server("b"))];
      await until(
        "one is in",
        () => both.map((registration) => registration.problem),
        (problems) =>
          problems.filter((text) => text === undefined).length === 1 &&
          problems.some((text) => text?.includes("has this name")),
      );
      const winner = both[0]!.problem === undefined ? "a" : "b";
      await found(one, winner);
      for (const registration of both) await registration[Symbol.asyncDispose]();
      await found(one, "");
    }
  },
  LIMIT,
);

test("the ACL token goes with every request and into no log; a wrong one is said", async () => {
  await using stand = await ConsulProcesses.start({ token: "right-token" });
  const good = stand.process(0, { token: "right-token" }), bad = stand.process(0, { token: "wrong-token" });
  const registration = good.register(stand.server("a"));
  await found(good, "a");
  await problem(registration, undefined);
  await problem(bad.register(stand.server("b", { id: "chat02" })), "it answers 403, check its ACL token");
  await expect(bad.find("chat")).rejects.toThrow("check its ACL token");
  expect(stand.logged.join()).not.toMatch(/right-token|wrong-token/);
}, LIMIT);

test("KIM's servers are found, without a run, and their names are theirs", async () => {
  await using stand = await ConsulProcesses.start();
  const Meta = { protocol: "tcp", zone: "zone_ali_03", health_url: "" };
  stand.consul.put(0, { ID: "chat01", Name: "chat", Address: "10.0.0.9", Port: 8005, Tags: ["x"], Meta });
  const naming = stand.process();
  expect(await naming.find("chat")).toEqual([
    { ...testInstance(), incarnation: "", host: "10.0.0.9", port: 8005, tags: ["x"], zone: "zone_ali_03" },
  ]);
  await problem(naming.register(stand.server("a")), "10.0.0.9:8005 has this name");
}, LIMIT);
