import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { type ErrorCode, ImError } from "../base/errors.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { TEXT } from "../protocol/limits.ts";
import { STATUS } from "../protocol/status.ts";
import { GROUP_TALK, USER_TALK } from "./commands.ts";
import { fakeClient, FakeServer, settle } from "./fake_server.ts";
import type { SentMessage } from "./sent_message.ts";
import { type ClientStorage, MemoryStorage, type Saved } from "./storage.ts";

async function online(server: FakeServer, clock: FakeClock, options: Parameters<typeof fakeClient>[2] = {}) {
  const all = fakeClient(server, clock, options);
  const sent: string[] = [];
  all.client.on("sent", ({ body, state }) => void sent.push(`${body} ${state}`));
  await all.client.login();
  await settle();
  return { ...all, sent };
}

const talks = (server: FakeServer) => server.asked(USER_TALK, pkt.MessageReq);
const caught = (message: SentMessage) => message.done.then(() => undefined, (error: ImError) => error);

async function pass(clock: FakeClock, ms: number, step = 250): Promise<void> {
  for (let at = 0; at < ms; at += step) {
    clock.advance(step);
    await settle();
  }
}

describe("talk", () => {
  test("gives the message at once and the receipt when it is durable", async () => {
    const server = new FakeServer();
    const { client, sent, received } = await online(server, new FakeClock());
    const message = client.talk("ann", "hi", { type: 2, extra: "x" });
    expect(message).toMatchObject({ dest: "ann", body: "hi", type: 2, extra: "x", state: "sending" });
    const receipt = await message.done;
    expect(receipt).toEqual({ messageId: 1_000_001n, sendTime: 1_000_001_000n, seq: 1 });
    expect(message).toMatchObject({ state: "durable", receipt });
    expect(sent).toEqual(["hi durable"]);
    await settle();
    expect(received).toEqual([]);
    expect(talks(server)).toEqual([{ type: 2, body: "hi", extra: "x", clientMsgId: message.id }]);
  });

  test("to a group goes out as group talk", async () => {
    const server = new FakeServer();
    const { client } = await online(server, new FakeClock());
    await client.talk("g1", "all", { group: true }).done;
    expect(server.asked(GROUP_TALK, pkt.MessageReq)).toHaveLength(1);
  });

  test("ids differ between clients and messages, and fit the limit", async () => {
    const server = new FakeServer();
    const ids = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const { client } = await online(server, new FakeClock(), { random: Math.random, token: `u${i}` });
      for (let j = 0; j < 50; j++) ids.add(client.talk("ann", "hi").id);
      await client.close();
    }
    expect(ids.size).toBe(1_000);
    for (const id of ids) expect(id.length).toBeLessThanOrEqual(TEXT.clientMsgId);
  });

  test.each([
    ["no destination", "", "hi", "NO_DESTINATION"],
    ["an illegal destination", "a b", "hi", "INVALID_BODY"],
    ["a body over the limit", "ann", "x".repeat(TEXT.body + 1), "INVALID_BODY"],
  ])("fails at once for %s", async (_why, dest, body, code) => {
    const server = new FakeServer();
    const { client, sent } = await online(server, new FakeClock());
    const message = client.talk(dest, body);
    expect(message).toMatchObject({ state: "failed", error: { code } });
    expect(sent).toEqual([]);
    await settle();
    expect(sent).toHaveLength(1);
    expect(talks(server)).toEqual([]);
  });

  test("a body of as many code points as allowed goes through, also outside the basic plane", async () => {
    const server = new FakeServer();
    const { client } = await online(server, new FakeClock());
    await client.talk("ann", "😀".repeat(TEXT.body)).done;
  });

  test("fails with QUOTA when too many wait, and takes more when there is room again", async () => {
    const server = new FakeServer();
    const { client } = fakeClient(server, new FakeClock(), { waiting: 3 });
    const messages = [1, 2, 3, 4].map((n) => client.talk("ann", String(n)));
    expect(messages.map(({ state }) => state)).toEqual(["sending", "sending", "sending", "failed"]);
    expect((await caught(messages[3]!))?.code).toBe("QUOTA");
    await client.login();
    await messages[2]!.done;
    await client.talk("ann", "5").done;
    expect(talks(server).map(({ body }) => body)).toEqual(["1", "2", "3", "5"]);
  });

  test("a failure that nobody waits for is no unhandled rejection", async () => {
    const server = new FakeServer();
    const { client } = await online(server, new FakeClock());
    client.talk("", "nobody looks");
    await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

describe("order", () => {
  test("one request per destination is in flight, others go in parallel", async () => {
    const server = new FakeServer();
    const { client } = await online(server, new FakeClock());
    server.answer = ({ header }) => header.dest === "ann" ? "silence" : undefined;
    for (const body of ["a1", "a2", "a3"]) client.talk("ann", body);
    for (const body of ["e1", "e2", "e3"]) client.talk("eve", body);
    await settle();
    expect(talks(server).map(({ body }) => body)).toEqual(["a1", "e1", "e2", "e3"]);
  });

  test("no more than 64 requests are in flight", async () => {
    const server = new FakeServer();
    const { client } = await online(server, new FakeClock());
    server.answer = () => "silence";
    for (let i = 0; i < 100; i++) client.talk(`u${i}`, "hi");
    await settle();
    expect(talks(server)).toHaveLength(64);
  });

  test("what was said before the login leaves in the order it was said", async () => {
    const server = new FakeServer();
    const { client } = fakeClient(server, new FakeClock());
    const last = ["1", "2", "3"].map((body) => client.talk("ann", body)).at(-1)!;
    await client.login();
    await last.done;
    expect(server.inbox("ann").map(({ body }) => body)).toEqual(["1", "2", "3"]);
  });
});

describe("when things go wrong", () => {
  test("a lost connection: the same id is sent again after the next login, and stored once", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client, sent } = await online(server, clock);
    server.answer = ({ header }, channel) => {
      if (header.command === USER_TALK) channel.cut();
      return header.command === USER_TALK ? "silence" : undefined;
    };
    const message = client.talk("ann", "hi");
    client.talk("ann", "second");
    await settle();
    expect(message.state).toBe("sending");
    server.answer = () => undefined;
    clock.advance(500);
    await settle();
    expect(sent).toEqual(["hi durable", "second durable"]);
    expect(talks(server).map(({ clientMsgId }) => clientMsgId).slice(0, 2)).toEqual([message.id, message.id]);
    expect(server.inbox("ann").map(({ body }) => body)).toEqual(["hi", "second"]);
  });

  test("a lost answer: our own message in the inbox settles it and is not handed over", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.say("ann", "bob", "0");
    const { client, sent, bodies } = await online(server, clock);
    server.answer = ({ header, body }, channel) => {
      if (header.command !== USER_TALK) return undefined;
      const request = server.asked(USER_TALK, pkt.MessageReq).at(-1)!;
      expect(body.length).toBeGreaterThan(0);
      server.say("bob", header.dest, request.body, request, channel);
      channel.cut();
      return "silence";
    };
    const message = client.talk("ann", "hi");
    await settle();
    server.answer = ({ header }) => header.command === USER_TALK ? "silence" : undefined;
    await pass(clock, 1_000);
    expect(await message.done).toMatchObject({ seq: 2 });
    expect(sent).toEqual(["hi durable"]);
    server.answer = () => undefined;
    await pass(clock, 9_000); // the second attempt is never answered
    await client.talk("ann", "next").done;
    server.say("ann", "bob", "end");
    await settle();
    expect(bodies()).toEqual(["0", "end"]);
  });

  test("no answer within 8 s: the connection is given up and the same id sent again", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await online(server, clock);
    server.answer = ({ header }) => header.command === USER_TALK ? "silence" : undefined;
    const message = client.talk("ann", "hi");
    await settle();
    clock.advance(7_999);
    await settle();
    expect(client.state).toBe("online");
    clock.advance(1);
    expect(client.state).toBe("offline");
    server.answer = () => undefined;
    await pass(clock, 500);
    expect(message.state).toBe("durable");
    expect(server.inbox("ann")).toHaveLength(1);
  });

  test("a status of 404 logs in again and sends the same id again", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await online(server, clock);
    let lost = true;
    server.answer = ({ header }) => header.command === USER_TALK && lost ? 404 : undefined;
    const message = client.talk("ann", "hi");
    await settle();
    expect(client.state).toBe("offline");
    lost = false;
    await pass(clock, 500);
    expect(message.state).toBe("durable");
    expect(server.dialled).toHaveLength(2);
  });

  test("refused for now: tried again with growing pauses, and nothing to that destination overtakes", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await online(server, clock);
    let refusals = 3;
    server.answer = ({ header }) =>
      header.command === USER_TALK && header.dest === "ann" && refusals-- > 0 ? 302 : undefined;
    const first = client.talk("ann", "1");
    client.talk("ann", "2");
    await client.talk("eve", "other").done;
    for (const ms of [250, 500, 1_000]) {
      await settle();
      expect(first.state).toBe("sending");
      clock.advance(ms);
    }
    await settle();
    expect(server.inbox("ann").map(({ body }) => body)).toEqual(["1", "2"]);
    expect(talks(server)).toHaveLength(6);
  });

  test("refused for four minutes: it fails, and the next is tried", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await online(server, clock);
    server.answer = ({ header }) => header.command === USER_TALK ? 300 : undefined;
    const first = client.talk("ann", "1");
    await pass(clock, 239_000, 1_000);
    expect(first.state).toBe("sending");
    const second = client.talk("ann", "2");
    await pass(clock, 16_000, 1_000);
    expect((await caught(first))?.code).toBe("SYSTEM");
    server.answer = () => undefined;
    await pass(clock, 15_000, 1_000);
    expect(second.state).toBe("durable");
  });

  const refusals = Object.entries(STATUS).filter(([name]) => name !== "SUCCESS" && name !== "SESSION_LOST");
  test.each(refusals.map(([name, row]) => [name as ErrorCode, row.wire, row.retry] as const))(
    "status %s (%d) retries: its row decides",
    async (name, wire, retry) => {
      const server = new FakeServer();
      const clock = new FakeClock();
      const { client } = await online(server, clock);
      let once = true;
      server.answer = ({ header }) => {
        if (header.command !== USER_TALK || !once) return undefined;
        once = false;
        return wire;
      };
      const message = client.talk("ann", "1");
      await pass(clock, 500);
      expect(message.state).toBe(retry ? "durable" : "failed");
      expect(message.error?.code).toBe(retry ? undefined : name);
      expect(client.state).toBe("online");
    },
  );

  test("a status this client does not know counts as its class does", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client } = await online(server, clock);
    const answers = [199, 399];
    server.answer = ({ header }) => header.command === USER_TALK ? answers.shift() : undefined;
    const [one, two] = [client.talk("ann", "1"), client.talk("ann", "2")];
    await pass(clock, 500);
    expect(one.error?.code).toBe("INVALID_BODY");
    expect(two.state).toBe("durable");
  });

  test("closing fails what waits", async () => {
    const server = new FakeServer();
    const { client, sent } = await online(server, new FakeClock());
    server.answer = () => "silence";
    const messages = [client.talk("ann", "1"), client.talk("ann", "2")];
    await client.close();
    expect((await caught(messages[0]!))?.code).toBe("CLOSED");
    expect(sent).toEqual(["1 failed", "2 failed"]);
    expect((await caught(client.talk("ann", "3")))?.code).toBe("CLOSED");
  });
});

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
    const { client, sent } = await online(server, new FakeClock(1_000_000 + week), { storage });
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
    const { client, bodies } = await online(server, new FakeClock(), { storage: broken });
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
});
