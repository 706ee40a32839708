import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as runtime from "#runtime";
import { silent } from "../../src/base/logger.ts";
import { startLogic } from "../../src/cli/logic_system.ts";
import { startRoyal } from "../../src/cli/royal_system.ts";
import { decodeBody, encodeBody } from "../../src/protocol/bodies.ts";
import * as pkt from "../../src/protocol/gen/pkt_messages.ts";
import { parseRedisAddress } from "../../src/cli/redis_address.ts";
import { startUpstash } from "../../src/cli/upstash_system.ts";
import { RedisServer, whyNoRedis } from "../support/redis_server.ts";
import { freePort } from "../support/free_port.ts";
import { LocalCluster } from "../support/local_cluster.ts";
import { startScript } from "../support/processes.ts";
import { type TempDir, tempDir } from "../support/temp.ts";
import { until } from "../support/until.ts";

const EXIT_MS = 10_000;
const CAPS = { meta: new Map([["im.caps", "1"]]) };

describe("a cluster", () => {
  let dir: TempDir;
  let cluster: LocalCluster;
  let names = 0;
  const name = (role: string): string => `${role}-${++names}`;
  beforeAll(async () => {
    dir = await tempDir();
    cluster = await LocalCluster.start(dir.in("data"));
  }, 30_000);
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]();
    await dir[Symbol.asyncDispose]();
  });

  test.each([[0, 1], [1, 2], [2, 0]] as const)("people on gateways %d and %d talk, both ways", async (one, other) => {
    const [ann, bob] = [name("ann"), name("bob")];
    const [a, b] = [await cluster.login(ann, one), await cluster.login(bob, other, CAPS)];
    const first = await a.talk(bob, "hello");
    expect(first).toMatchObject({ status: 0 });
    await b.until(({ messages }) => messages.length === 1);
    expect(await b.talk(ann, "good morning")).toMatchObject({ status: 0 });
    await a.until(({ messages }) => messages.length === 1);
    expect([b.messages[0]!.body, a.messages[0]!.body]).toEqual(["hello", "good morning"]);
    await Promise.all([a.close(), b.close()]);
  });

  test("a group's members are on all gateways, and hear each other in order", async () => {
    const members = ["ann", "bob", "cat", "dan", "eve", "fay"].map(name);
    const clients = await Promise.all(members.map((one, i) => cluster.login(one, i % 3, i % 2 ? CAPS : {})));
    const body = encodeBody(pkt.GroupCreateReq, { name: "all", members: members.slice(1) });
    const answer = await clients[0]!.request("chat.group.create", body);
    const { groupId } = decodeBody(pkt.GroupCreateResp, answer.body);
    for (let round = 0; round < 5; round++) {
      for (const [i, client] of clients.entries()) {
        expect(await client.talk(groupId, `${round}.${i}`, { to: [] })).toMatchObject({ status: 0 });
      }
    }
    const all = Array.from({ length: 30 }, (_, n) => `${Math.floor(n / 6)}.${n % 6}`);
    for (const [i, client] of clients.entries()) {
      await client.until(({ messages }) => messages.length === 25);
      expect(client.messages.map(({ body }) => body)).toEqual(all.filter((text) => !text.endsWith(`.${i}`)));
    }
    await Promise.all(clients.map((client) => client.close()));
  });

  test("an account's devices are on different gateways; the same device at another one puts the first out", async () => {
    const [ann, bob] = [name("ann"), name("bob")];
    const on = (device: string) => ({ meta: new Map([["im.caps", "1"], ["im.device", device]]) });
    const phone = await cluster.login(ann, 0, on("phone"));
    const desk = await cluster.login(ann, 2, on("desk"));
    const b = await cluster.login(bob, 1);
    await b.talk(ann, "to both");
    await Promise.all([phone, desk].map((one) => one.until(({ messages }) => messages.length === 1)));
    const again = await cluster.login(ann, 1, on("phone"));
    expect(await phone.ended).toMatch(/kicked|4\d\d\d/);
    await b.talk(ann, "to the new one");
    await again.until(({ messages }) => messages.some(({ body }) => body === "to the new one"));
    await Promise.all([desk.close(), again.close(), b.close()]);
  });

  test("a gateway has the end of every session confirmed", async () => {
    const { metrics } = cluster.gateways[0]!;
    const people = await Promise.all(["ann", "bob", "cat"].map((one) => cluster.login(name(one), 0)));
    await Promise.all(people.map((one) => one.close()));
    await until(async () => metrics.read("petrel_channels") === 0 && metrics.read("petrel_sign_outs") === 0);
  });

  test("the router tells the gateways", async () => {
    await until(async () => {
      const answer = await (await fetch(`${cluster.router.url}/api/lookup/x`)).text();
      return JSON.parse(answer).domains.join().match(/^ws:[^,]+,ws:[^,]+$/) !== null;
    });
  });

  test(
    "a chat server and a gateway come and go under people who talk; nobody logs in twice for a chat server",
    async () => {
      const [ann, bob] = [name("ann"), name("bob")];
      const [a, b] = [await cluster.login(ann, 0, CAPS), await cluster.login(bob, 2)];
      let sent = 0;
      const talkFor = async (ms: number): Promise<void> => {
        for (const end = performance.now() + ms; performance.now() < end;) {
          expect(await a.talk(bob, `${sent++}`)).toMatchObject({ status: 0 });
        }
      };
      await talkFor(100);
      const talking = talkFor(1_500);
      await cluster.addLogic();
      await cluster.logics[0]![Symbol.asyncDispose]();
      await talking;
      await cluster.logics[1]![Symbol.asyncDispose]();
      await talkFor(100);
      await b.until(({ messages }) => messages.length === sent);
      expect(b.messages.map(({ body }) => body)).toEqual(Array.from({ length: sent }, (_, i) => `${i}`));
      await cluster.addLogic();
      cluster.logics.splice(0, 2);

      await cluster.gateways[0]![Symbol.asyncDispose]();
      expect(await a.ended).toContain("4001");
      cluster.gateways[0] = await cluster.addGateway({ tcp: "off" });
      cluster.gateways.pop();
      await cluster.ready();
      const back = await cluster.login(ann, 0, CAPS);
      expect(await back.talk(bob, "back")).toMatchObject({ status: 0 });
      await b.until(({ messages }) => messages.length === sent + 1);
      await Promise.all([back.close(), b.close()]);
    },
    30_000,
  );

  test("a gateway with another cluster secret is not ready, and says so", async () => {
    const gateway = await cluster.addGateway({ tcp: "off", clusterSecret: "another" });
    const why = `${cluster.logics[0]!.id}: it refuses the link: another cluster secret`;
    await until(async () => (await readyOf(gateway.monitor)).problem.includes(why));
    expect((await readyOf(gateway.monitor)).status).toBe(503);
    // No router sends clients there.
    expect((await cluster.shared.naming!.find("wgateway")).map(({ id }) => id)).not.toContain(gateway.id);
    await gateway[Symbol.asyncDispose]();
    cluster.gateways.pop();
  });

  test("a chat server is found by nobody before its store has answered", async () => {
    const port = await freePort();
    const logic = await cluster.addLogic({ royalUrl: `http://127.0.0.1:${port}` });
    const isFound = async () => (await cluster.shared.naming!.find("chat")).some(({ id }) => id === logic.id);
    await until(async () => (await readyOf(logic.monitor)).problem.includes("has no answer"));
    expect(await isFound()).toBe(false);
    await using folder = await tempDir();
    const store = { data: folder.path, sync: "full", database: undefined, inboxGroup: 500, retentionDays: 0 } as const;
    const royal = { hostname: "127.0.0.1", port };
    const secret = { clusterSecret: "a cluster secret of the tests" };
    await using _ = await startRoyal({ ...secret, ...store, royal }, runtime, silent, cluster.shared);
    await until(isFound);
    await logic[Symbol.asyncDispose]();
    expect(await isFound()).toBe(false);
    cluster.logics.pop();
  });

  test("of two gateways with one name the first is found, and the second says so until it is gone", async () => {
    const one = await cluster.addGateway({ serviceId: "same" });
    await until(async () => (await readyOf(one.monitor)).status === 200);
    const two = await cluster.addGateway({ serviceId: "same" });
    // One of the chat servers may have been quicker with the second: then naming has the first.
    const words = /another gateway with this id is linked|has this name/;
    await until(async () => words.test((await readyOf(two.monitor)).problem));
    await one[Symbol.asyncDispose]();
    await until(async () => (await readyOf(two.monitor)).status === 200);
    await two[Symbol.asyncDispose]();
    cluster.gateways.splice(-2);
  });
});

const NO_REDIS = whyNoRedis();
test.skipIf(NO_REDIS !== undefined)(
  `a chat server waits for its Upstash Redis, and says so (${NO_REDIS ?? "redis-server"})`,
  async () => {
    const [monitor, redis] = [await freePort(), await freePort()];
    await using stack = new AsyncDisposableStack();
    const starting = startLogic(
      {
        link: { hostname: "127.0.0.1", port: 0 },
        monitor: { hostname: "127.0.0.1", port: monitor },
        royalUrl: "http://127.0.0.1:9",
        inboxGroup: 500,
        devices: 16,
        clusterSecret: "a cluster secret of the tests",
        upstashRedisRestUrl: `http://127.0.0.1:${redis}`,
        upstashRedisRestToken: "token",
      },
      runtime,
      silent,
    );
    starting.then((logic) => stack.use(logic), () => {}); // awaited below
    const url = `http://127.0.0.1:${monitor}`;
    await until(async () => /no answer|refused|reach|connect/i.test((await readyOf(url)).problem));
    expect(await (await fetch(`${url}/health`)).text()).toBe("ok");
    const server = stack.use(await RedisServer.start());
    const http = { hostname: "127.0.0.1", port: redis };
    const address = parseRedisAddress(`unix:${server.path}`)!;
    stack.use(await startUpstash({ http, redis: address, token: "token" }, runtime, silent));
    expect((await starting).id).toMatch(/^chat-[0-9a-f]{8}$/);
  },
  60_000,
);

/** What `/ready` says. */
async function readyOf(monitor: string): Promise<{ status: number; problem: string }> {
  const answer = await fetch(`${monitor}/ready`);
  return { status: answer.status, problem: JSON.parse(await answer.text()).problem ?? "" };
}

test("a cluster starts and stops twice in one process, which then ends by itself", async () => {
  await using dir = await tempDir();
  await using child = await startScript("tests/integration/cluster_twice.fixture.ts", [dir.in("data")]);
  const [, json] = await child.find(/result (.*)/, 40_000);
  const { stored, leaked } = JSON.parse(json!);
  expect(stored).toEqual([0, 1]);
  expect(leaked).toBeLessThanOrEqual(0);
  const timer = setTimeout(() => void child.kill(), EXIT_MS); // something keeps it alive
  expect(await child.exited).toEqual({ code: 0, signal: null });
  clearTimeout(timer);
  expect(child.stderr).toBe("");
}, 60_000);
