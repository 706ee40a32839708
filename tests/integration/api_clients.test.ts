import { expect, test } from "bun:test";
import * as runtime from "#runtime";
import { connectWith } from "../../src/cli/connect.ts";
import { PetrelClient } from "../../src/sdk/client.ts";
import type { Message } from "../../src/sdk/message.ts";
import { until } from "../support/until.ts";
import { LocalSystem } from "./system_local.ts";

const KEY = "the key of the tests: more than thirty-two bytes";

test("petrel dev with a key: what the API says reaches clients, and its tokens let them in", async () => {
  await using stack = new AsyncDisposableStack();
  const system = stack.use(await LocalSystem.start({ apiKey: KEY }));
  const ask = async (path: string, body?: object): Promise<Record<string, unknown>> => {
    const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
    const init = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
    const answer = await fetch(`${system.system.http}/api/v1/kim/${path}`, init);
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    return await answer.json() as Record<string, unknown>;
  };
  const login = async (account: string, device: string) => {
    const { token } = await ask("tokens", { account, seconds: 600 });
    const client = new PetrelClient({
      url: system.ws,
      token: String(token),
      device,
      connect: connectWith(runtime.dial),
    });
    stack.defer(() => client.close());
    const received: Message[] = [];
    client.onMessage((message) => void received.push(message));
    await client.login();
    return { client, received, bodies: () => received.map(({ body }) => body) };
  };
  const ann = await login("ann", "phone"), bob = await login("bob", "laptop");
  expect(await ask("accounts/bob/online")).toMatchObject({ devices: [{ device: "laptop" }] });

  await ask("messages", { from: "ann", to: "bob", body: "from the API" });
  await until(() => bob.received.length === 1 && ann.received.length === 1);
  expect([bob.bodies(), bob.received[0]!.sender, bob.received[0]!.seq]).toEqual([["from the API"], "ann", 1]);
  expect(ann.bodies()).toEqual(["from the API"]); // her own, on her device

  expect((await bob.client.talk("ann", "answer").done).seq).toBe(2);
  expect(await ask("accounts/ann/history?with=bob")).toMatchObject({
    head: 2,
    messages: [{ seq: 1 }, { body: "answer" }],
  });

  const { id } = await ask("groups", { owner: "ann", name: "lunch", members: ["bob"] });
  await ask("messages", { from: "ann", group: id, body: "soup?" });
  await until(() => bob.received.length === 2);
  expect(bob.bodies()).toEqual(["from the API", "soup?"]);
  expect((await fetch(`${system.system.http}/api/v1/kim/groups/${id}`)).status).toBe(401);
});
