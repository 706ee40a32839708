import { mkdir, writeFile } from "node:fs/promises";
import { expect, test } from "bun:test";
import type { GatewaySystem } from "../../src/cli/gateway_system.ts";
import { ConsulNaming } from "../../src/naming/consul.ts";
import { StaticNaming } from "../../src/naming/static.ts";
import { parseStaticList } from "../../src/naming/static_list.ts";
import { crc32 } from "../../src/protocol/crc32.ts";
import { QUICK } from "../support/consul_processes.ts";
import { ConsulStand } from "../support/consul_stand.ts";
import { freePort } from "../support/free_port.ts";
import { LocalCluster } from "../support/local_cluster.ts";
import { tempDir } from "../support/temp.ts";
import { until } from "../support/until.ts";

const LIMIT = { timeout: 60_000 };
const ANY = { hostname: "127.0.0.1", port: 0 };

function openLinks({ metrics }: GatewaySystem): number {
  return metrics.read("petrel_links", { state: "open" });
}

async function isReady({ monitor }: { readonly monitor: string }): Promise<boolean> {
  return (await fetch(`${monitor}/ready`)).ok;
}

test("a cluster finds itself in Consul, and talks on while Consul is away and has forgotten it", async () => {
  await using dir = await tempDir();
  await using consul = await ConsulStand.start();
  await using naming = new ConsulNaming({ url: consul.url(), times: QUICK });
  await using cluster = await LocalCluster.start(dir.in("data"), naming);
  const [a, b] = [await cluster.login("ann", 0), await cluster.login("bob", 2)];
  let sent = 0;
  const talkWhile = async (work: Promise<unknown>): Promise<void> => {
    let isDone = false;
    void work.finally(() => isDone = true);
    while (!isDone) expect(await a.talk("bob", `${sent++}`)).toMatchObject({ status: 0 });
    await work;
  };
  await talkWhile((async () => {
    await consul.kill();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await consul.revive();
    await until(async () => await isReady(cluster.gateways[0]!) && consul.idsAt().length >= 7);
    // Who comes now is found, whoever leaves is not missed.
    await cluster.addLogic();
    await until(() => Promise.resolve(cluster.gateways.every((gateway) => openLinks(gateway) === 3)));
    await cluster.logics[0]![Symbol.asyncDispose]();
    await until(() => Promise.resolve(cluster.gateways.every((gateway) => openLinks(gateway) === 2)));
  })());
  await b.until(({ messages }) => messages.length === sent);
  expect(b.messages.map(({ body }) => body)).toEqual(Array.from({ length: sent }, (_, i) => `${i}`));
  expect((await naming.find("chat")).length).toBe(2);
  await Promise.all([a.close(), b.close()]);
}, LIMIT);

test("a cluster of a static list: servers may come later, go, and come back at their place", async () => {
  await using dir = await tempDir();
  const ports = [await freePort(), await freePort()];
  const list = parseStaticList(ports.map((port, i) => `chat=chat0${i}@127.0.0.1:${port}`).join(","));
  await using naming = new StaticNaming(list);
  await using cluster = await LocalCluster.empty(dir.in("data"), naming);
  const chat = (i: number) =>
    cluster.addLogic({ serviceId: `chat0${i}`, link: { hostname: "127.0.0.1", port: ports[i]! } });
  const gateway = await cluster.addGateway({ tcp: "off", routes: undefined });
  expect(await isReady(gateway)).toBe(false);
  const first = await chat(0);
  await until(() => Promise.resolve(openLinks(gateway) === 1));
  const client = await cluster.login("ann", 0);
  expect(await client.talk("bob", "1")).toMatchObject({ status: 0 });
  await chat(1);
  await until(() => Promise.resolve(openLinks(gateway) === 2));
  await first[Symbol.asyncDispose]();
  expect(await client.talk("bob", "2")).toMatchObject({ status: 0 });
  await chat(0);
  await until(() => Promise.resolve(openLinks(gateway) === 2));
  expect(await client.talk("bob", "3")).toMatchObject({ status: 0 });
  // A server that the list does not have says so.
  const stranger = await cluster.addLogic({ serviceId: "chat09", link: ANY });
  const ready = async () => await (await fetch(`${stranger.monitor}/ready`)).text();
  await until(async () => (await ready()).includes("the static list has no such server"));
  await client.close();
}, LIMIT);

test("accounts are served by their zone's chat server", async () => {
  await using dir = await tempDir();
  const routes = { zones: [{ id: "z1", weight: 3 }, { id: "z2", weight: 1 }] };
  await mkdir(dir.in("routes"));
  await writeFile(dir.in("routes", "route.json"), JSON.stringify(routes));
  await using cluster = await LocalCluster.empty(dir.in("data"));
  const logics = [await cluster.addLogic({ zone: "z1" }), await cluster.addLogic({ zone: "z2" })];
  const gateway = await cluster.addGateway({ tcp: "off", routes: dir.in("routes") });
  await until(() => Promise.resolve(openLinks(gateway) === 2));
  const accounts = Array.from({ length: 12 }, (_, i) => `user${i}`);
  const z2 = accounts.filter((account) => crc32(account) % 4 === 3).length;
  const clients = await Promise.all(accounts.map((account) => cluster.login(account, 0)));
  const logins = logics.map(({ metrics }) =>
    metrics.read("petrel_commands_total", { command: "login.signin", outcome: "SUCCESS" })
  );
  expect(logins).toEqual([accounts.length - z2, z2]);
  expect(gateway.metrics.read("petrel_no_server_in_zone_total", { zone: "z2" })).toBe(0);
  await Promise.all(clients.map((client) => client.close()));
}, LIMIT);
