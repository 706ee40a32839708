import { describe, expect, test } from "bun:test";
import { ImError } from "../base/errors.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { USER_TALK } from "./commands.ts";
import { fakeClient, FakeServer, settle } from "./fake_server.ts";
import { type ClientStorage, MemoryStorage, type Saved } from "./storage.ts";

async function withLog(server: FakeServer, clock: FakeClock, options: Parameters<typeof fakeClient>[2] = {}) {
  const all = fakeClient(server, clock, options);
  const sent: string[] = [];
  all.client.on("sent", ({ body, state }) => void sent.push(`${body} ${state}`));
  await all.client.login();
  await settle();
  return { ...all, sent };
}

const talks = (server: FakeServer) => server.asked(USER_TALK, pkt.MessageReq);

describe("a storage that keeps messages", () => {
  test("the next client sends what was left, before what is new, under the same ids", async () => {
    const server = new FakeServer();
    const storage = new MemoryStorage();
    const first = fakeClient(server, new FakeClock(), { storage });
    const left = [first.client.talk("ann", "1"), first.client.talk("ann", "2")];
    await first.client.close();
    const second = fakeClient(server, new FakeClock(), { storage, random: () => 0.25 });
    const now = second.client.talk("ann", "3");
    await second.client.login();
    expect(second.client.waiting.map(({ id }) => id)).toEqual([...left.map(({ id }) => id), now.id]);
    await now.done;
    await settle();
    expect(server.inbox("ann").map(({ body }) => body)).toEqual(["1", "2", "3"]);
    expect(second.client.waiting).toEqual([]);
    expect((await storage.load()).messages).toEqual([]);
  });

  test("what the server may have forgotten is not sent again", async () => {
    const server = new FakeServer();
    const storage = new MemoryStorage();
    const first = fakeClient(server, new FakeClock(1_000_000), { storage });
    first.client.talk("ann", "old");
    await first.client.close();
    const week = 7 * 24 * 3_600_000;
    const { client, sent } = await withLog(server, new FakeClock(1_000_000 + week), { storage });
    expect(sent).toEqual(["old failed"]);
    expect(client.waiting).toEqual([]);
    expect(talks(server)).toEqual([]);
  });

  test("one that fails to write is logged and stops nothing", async () => {
    const server = new FakeServer();
    const broken: ClientStorage = {
      load: () => Promise.resolve<Saved>({}),
      savePosition: () => Promise.reject(new Error("disk full")),
      saveMessage: () => Promise.reject(new Error("disk full")),
      dropMessage: () => Promise.reject(new Error("disk full")),
    };
    const { client, bodies } = await withLog(server, new FakeClock(), { storage: broken });
    await client.talk("ann", "hi").done;
    server.say("ann", "bob", "yo");
    await settle();
    expect(bodies()).toEqual(["yo"]);
  });

  test("one that cannot be read fails the login, which may be tried again", async () => {
    const server = new FakeServer();
    let broken = true;
    const storage: ClientStorage = {
      load: () => broken ? Promise.reject(new Error("locked")) : Promise.resolve<Saved>({}),
      savePosition: () => Promise.resolve(),
    };
    const { client } = fakeClient(server, new FakeClock(), { storage });
    const error = await client.login().then(() => undefined, (thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ImError);
    broken = false;
    await client.login();
    expect(client.state).toBe("online");
  });

  test("what was answered while older messages were missing is not handed over by the next client", async () => {
    const server = new FakeServer();
    const storage = new MemoryStorage();
    server.say("ann", "bob", "0");
    const first = await withLog(server, new FakeClock(), { storage });
    server.push = () => {};
    server.say("ann", "bob", "lost");
    await first.client.talk("ann", "mine").done;
    await first.client.close();
    const second = await withLog(server, new FakeClock(), { storage });
    await settle();
    server.push = (_pos, send) => send();
    for (const row of server.inbox("bob").slice(1)) server.online("bob")[0]!.push(row);
    await settle();
    expect([...first.bodies(), ...second.bodies()]).toEqual(["0", "lost"]);
  });

  test("an answer is remembered before the message is forgotten", async () => {
    const server = new FakeServer();
    const writes: string[] = [];
    const storage: ClientStorage = {
      load: () => Promise.resolve<Saved>({}),
      savePosition: ({ seen }) => Promise.resolve(void writes.push(`seen ${seen.length}`)),
      saveMessage: () => Promise.resolve(void writes.push("save")),
      dropMessage: () => Promise.resolve(void writes.push("drop")),
    };
    const { client } = await withLog(server, new FakeClock(), { storage });
    writes.length = 0;
    await client.talk("ann", "hi").done;
    await settle();
    expect(writes.slice(0, 3)).toEqual(["save", "seen 1", "drop"]);
  });
});
