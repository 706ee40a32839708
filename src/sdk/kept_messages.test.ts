import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { USER_TALK } from "./commands.ts";
import { fakeClient, FakeServer, onlineClient, settle } from "./fake_server.ts";
import { type ClientStorage, MemoryStorage, type Saved } from "./storage.ts";

async function withLog(server: FakeServer, clock: FakeClock, options: Parameters<typeof fakeClient>[2] = {}) {
  const all = fakeClient(server, clock, options);
  const sent: string[] = [];
  all.client.on("sent", ({ body, state }) => void sent.push(`${body} ${state}`));
  await all.client.login();
  await settle();
  return { ...all, clock, sent };
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
    expect(sent).toEqual(["old sending", "old failed"]);
    expect(client.waiting).toEqual([]);
    expect(talks(server)).toEqual([]);
  });

  test("a clock that is wrong, or set while a message waits, fails none", async () => {
    const server = new FakeServer();
    const clock = new FakeClock(1_000_000_000_000);
    const storage = new MemoryStorage();
    const first = fakeClient(server, clock, { storage });
    first.client.talk("ann", "1");
    await first.client.close();
    clock.jump(-3_600_000);
    server.answer = ({ header }) => header.command === USER_TALK ? "silence" : undefined;
    const { client, sent } = await withLog(server, clock, { storage, random: () => 0.25 });
    client.talk("ann", "2");
    clock.jump(30 * 24 * 3_600_000);
    server.channels.at(-1)!.cut();
    server.answer = () => undefined;
    await settle();
    clock.advance(1_000);
    await settle();
    expect(sent).toEqual(["1 sending", "1 durable", "2 durable"]);
    expect(server.inbox("ann").map(({ body }) => body)).toEqual(["1", "2"]);
  });

  test("what the server may have forgotten is not sent again, what it never saw is", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.answer = ({ header }) => header.command === USER_TALK ? "silence" : undefined;
    const { client, sent } = await withLog(server, clock);
    client.talk("ann", "tried");
    client.talk("ann", "never sent");
    await settle();
    server.down.add("ws://one");
    server.channels[0]!.cut();
    clock.advance(6 * 24 * 3_600_000);
    server.answer = () => undefined;
    server.down.clear();
    for (let i = 0; i < 40; i++) {
      await settle();
      clock.advance(1_000);
    }
    expect(sent).toEqual(["tried failed", "never sent durable"]);
  });

  test("what was left is told as sending before the login, and can be seen in waiting", async () => {
    const server = new FakeServer();
    const storage = new MemoryStorage();
    await storage.saveMessage({ id: "a", dest: "ann", group: false, type: 1, body: "1", extra: "", createdMs: 0 });
    server.down.add("ws://one");
    const { client } = fakeClient(server, new FakeClock(), { storage });
    const sent: string[] = [];
    client.on("sent", ({ id, state }) => void sent.push(`${id} ${state}`));
    void client.login();
    await settle();
    expect(client.state).toBe("offline");
    expect(sent).toEqual(["a sending"]);
    expect(client.waiting.map(({ id }) => id)).toEqual(["a"]);
  });

  test("one that fails is told once and stops nothing; when it works again it has everything", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const inner = new MemoryStorage();
    let full = true;
    const may = <T>(run: () => Promise<T>) => full ? Promise.reject(new Error("disk full")) : run();
    const storage: ClientStorage = {
      load: () => may(() => inner.load()),
      savePosition: (position) => may(() => inner.savePosition(position)),
      saveMessage: (message) => may(() => inner.saveMessage(message)),
      dropMessage: (id) => may(() => inner.dropMessage(id)),
    };
    const { client, bodies } = fakeClient(server, clock, { storage });
    const told: (string | undefined)[] = [];
    client.on("storage", ({ error }) => void told.push(error?.code));
    await client.login();
    await client.talk("ann", "hi").done;
    server.say("ann", "bob", "yo");
    await settle();
    expect(bodies()).toEqual(["yo"]);
    expect(told).toEqual(["STORAGE_FAILED"]);
    server.answer = () => "silence";
    const waits = client.talk("ann", "again");
    full = false;
    clock.advance(2_000);
    await settle();
    expect(told).toEqual(["STORAGE_FAILED", undefined]);
    const { position, messages } = await inner.load();
    expect(position).toMatchObject({ cursor: 2, epoch: "one" });
    expect(messages?.map(({ id }) => id)).toEqual([waits.id]);
  });

  test("what waits when the client ends stays in a storage that had failed and works again", async () => {
    for (const end of ["close", "kick"] as const) {
      const server = new FakeServer();
      const clock = new FakeClock();
      const storage = new MemoryStorage();
      const save = storage.savePosition.bind(storage);
      const { client, closed } = await onlineClient(server, clock, { storage });
      server.answer = () => "silence";
      const [first] = [client.talk("ann", "1"), client.talk("ann", "2")];
      await settle();
      storage.savePosition = () => Promise.reject(new Error("disk full"));
      server.say("ann", "bob", "the position moves");
      await settle();
      client.talk("ann", "3");
      storage.savePosition = save;
      if (end === "close") await client.close();
      else server.channels[0]!.kick();
      await settle();
      clock.advance(60_000);
      await settle();
      expect(closed).toHaveLength(1);
      expect(first!.state).toBe("failed");
      expect((await storage.load()).messages?.map(({ body }) => body)).toEqual(["1", "2", "3"]);
    }
  });

  test("a client that ends while it is full: the next one goes on from what was kept last", async () => {
    const server = new FakeServer();
    const storage = new MemoryStorage();
    const first = await withLog(server, new FakeClock(), { storage });
    server.say("ann", "bob", "kept");
    await settle();
    server.answer = () => "silence";
    first.client.talk("eve", "said before");
    await settle();
    const full = () => Promise.reject(new Error("disk full"));
    const { savePosition, saveMessage, dropMessage } = storage;
    Object.assign(storage, { savePosition: full, saveMessage: full, dropMessage: full });
    server.answer = () => undefined;
    server.channels[0]!.cut();
    await settle();
    first.clock.advance(1_000);
    await settle();
    server.say("ann", "bob", "handed over");
    await first.client.talk("ann", "answered").done;
    server.answer = () => "silence";
    first.client.talk("ann", "never sent");
    await first.client.close();
    expect(first.bodies()).toEqual(["kept", "handed over"]);
    expect(first.sent).toEqual(["said before durable", "answered durable", "never sent failed"]);
    Object.assign(storage, { savePosition, saveMessage, dropMessage });
    server.answer = () => undefined;
    const second = await withLog(server, new FakeClock(), { storage, random: () => 0.25 });
    expect(second.received.map(({ body, own }) => [body, own])).toEqual([["handed over", false], ["answered", true]]);
    expect(second.sent).toEqual(["said before sending", "said before durable"]);
    expect(server.inbox("bob")).toHaveLength(4);
  });

  test("one that hangs holds up neither the login nor the closing", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const never = () => new Promise<never>(() => {});
    const { client, states } = fakeClient(server, clock, { storage: { load: never, savePosition: never } });
    const login = client.login();
    await settle();
    clock.advance(5_000);
    await login;
    expect(states.at(-1)?.state).toBe("online");
    const closed = client.close();
    await settle();
    clock.advance(1_000);
    await closed;
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
      savePosition: ({ sent = {} }) => Promise.resolve(void writes.push(`sent ${Object.values(sent)}`)),
      saveMessage: () => Promise.resolve(void writes.push("save")),
      dropMessage: () => Promise.resolve(void writes.push("drop")),
    };
    const { client } = await withLog(server, new FakeClock(), { storage });
    writes.length = 0;
    await client.talk("ann", "hi").done;
    await settle();
    expect(writes.slice(0, 3)).toEqual(["save", "sent 1,1", "drop"]);
  });
});
