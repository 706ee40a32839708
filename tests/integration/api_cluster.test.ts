import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { silent } from "../../src/base/logger.ts";
import { startApi } from "../../src/cli/api_system.ts";
import { connectWith } from "../../src/cli/connect.ts";
import { PetrelClient } from "../../src/sdk/client.ts";
import { LocalCluster, SECRET } from "../support/local_cluster.ts";
import { tempDir } from "../support/temp.ts";
import { until } from "../support/until.ts";

const KEY = "the key of the tests: more than thirty-two bytes";
const WAITS = 60_000;

test(
  "in a cluster: clients found by the router get what the API says, while a chat server and a gateway go",
  async () => {
    await using stack = new AsyncDisposableStack();
    const dir = stack.use(await tempDir());
    const cluster = stack.use(await LocalCluster.start(dir.path));
    const config = {
      clusterSecret: "a cluster secret of the tests",
      http: { hostname: "127.0.0.1", port: 0 },
      apiKey: KEY,
      secret: SECRET,
    };
    const api = stack.use(await startApi(config, runtime, silent, cluster.shared));
    await until(async () => (await fetch(`${api.monitor}/ready`)).ok);
    const ask = async (path: string, body?: object): Promise<Record<string, unknown>> => {
      const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
      const init = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
      const answer = await fetch(`${api.url}/api/v1/kim/${path}`, init);
      if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
      return await answer.json() as Record<string, unknown>;
    };
    const lookUp = async (): Promise<string[]> => {
      const answer = await fetch(`${cluster.router.url}/api/lookup/ann`);
      return (await answer.json() as { domains: string[] }).domains;
    };
    await until(async () => (await lookUp()).length === 2);

    const clients = await Promise.all(["ann", "bob"].map(async (account, n) => {
      const { token } = await ask("tokens", { account });
      const url = async () => n === 0 ? await lookUp() : (await lookUp()).reverse(); // one at each gateway
      const client = new PetrelClient({ url, token: String(token), connect: connectWith(runtime.dial) });
      stack.defer(() => client.close());
      const bodies: string[] = [];
      client.onMessage(({ body }) => void bodies.push(body));
      await client.login();
      return { client, bodies };
    }));
    const said: string[] = [];
    const say = async (body: string) => {
      said.push(body);
      expect((await ask("messages", { from: "cid", group: id, body })).seq).toBe(said.length);
    };
    const { id } = await ask("groups", { owner: "cid", name: "all", members: ["ann", "bob"] });
    await say("one");
    await cluster.logics[0]![Symbol.asyncDispose]();
    await say("two");
    await cluster.gateways[0]![Symbol.asyncDispose]();
    await until(async () => (await lookUp()).length === 1);
    await say("three");
    for (const { bodies } of clients) await until(() => Promise.resolve(bodies.length === said.length));
    expect(clients.map(({ bodies }) => bodies)).toEqual([said, said]);
    await until(async () => ((await ask("accounts/ann/online")).devices as unknown[]).length === 1);
  },
  WAITS,
);
