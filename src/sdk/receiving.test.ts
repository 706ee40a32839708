import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { NO_META } from "../protocol/header.ts";
import { PetrelClient } from "./client.ts";
import { SYNC, TALK_ACK } from "./commands.ts";
import { fakeClient, FakeServer, settle } from "./fake_server.ts";
import { MemoryStorage } from "./storage.ts";

async function online(server: FakeServer, clock: FakeClock, options: Parameters<typeof fakeClient>[2] = {}) {
  const all = fakeClient(server, clock, options);
  await all.client.login();
  await settle();
  return all;
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

describe("live pushes", () => {
  test("a message is handed over with everything the server said about it", async () => {
    const server = new FakeServer();
    const { received } = await online(server, new FakeClock());
    const { messageId, sendTime } = server.say("ann", "bob", "hi", { type: 2, extra: "x", clientMsgId: "a-1" });
    await settle();
    expect(received).toEqual([{
      messageId,
      sendTime,
      sender: "ann",
      peer: "ann",
      group: false,
      own: false,
      type: 2,
      body: "hi",
      extra: "x",
      seq: 1,
      pos: 1,
      clientMsgId: "a-1",
    }]);
  });

  test("a message of another device of the same account is our own, with its receiver as peer", async () => {
    const server = new FakeServer();
    const { received } = await online(server, new FakeClock());
    server.say("bob", "ann", "from my phone", { clientMsgId: "phone-1" });
    await settle();
    expect(received).toMatchObject([{ own: true, sender: "bob", peer: "ann", body: "from my phone" }]);
  });

  test("a group message has the group as peer, whoever sent it", async () => {
    const server = new FakeServer();
    const { received } = await online(server, new FakeClock());
    const row = { messageId: 7n, sendTime: 7n, type: 1, body: "all", extra: "", sender: "ann", seq: 1, userSeq: 1 };
    server.inbox("bob").push({ ...row, dest: "g1", group: true, clientMsgId: "" });
    server.online("bob")[0]!.push(server.inbox("bob")[0]!);
    await settle();
    expect(received).toMatchObject([{ peer: "g1", group: true, sender: "ann", own: false }]);
  });

  test("pushes that come twice are handed over once", async () => {
    const server = new FakeServer();
    server.push = (_pos, send) => (send(), send());
    const { bodies } = await online(server, new FakeClock());
    for (const body of numbers(1, 5)) server.say("ann", "bob", body);
    await settle();
    expect(bodies()).toEqual(numbers(1, 5));
  });

  test("pushes that overtake each other are handed over in inbox order, without asking", async () => {
    const server = new FakeServer();
    const late: (() => void)[] = [];
    server.push = (_pos, send) => late.push(send);
    server.say("ann", "bob", "0");
    server.acked.set("bob", 1);
    const { bodies } = await online(server, new FakeClock());
    for (const body of numbers(1, 4)) server.say("ann", "bob", body);
    for (const at of [3, 1, 0, 2]) late[at]!();
    await settle();
    expect(bodies()).toEqual(numbers(1, 4));
    expect(server.asked(SYNC, pkt.SyncReq)).toEqual([]);
  });

  test("a hole that stays for 300 ms is asked for, exactly", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.say("ann", "bob", "0");
    server.acked.set("bob", 1);
    const { bodies } = await online(server, clock);
    server.push = (pos, send) => pos === 3 || pos === 4 ? undefined : send();
    for (const body of numbers(2, 6)) server.say("ann", "bob", body);
    await settle();
    clock.advance(299);
    await settle();
    expect(bodies()).toEqual(["2"]);
    expect(server.asked(SYNC, pkt.SyncReq)).toEqual([]);
    clock.advance(1);
    await settle();
    expect(server.asked(SYNC, pkt.SyncReq)).toEqual([{ after: 2, limit: 2, upTo: 4 }]);
    expect(bodies()).toEqual(numbers(2, 6));
  });

  test("more than 64 messages above a hole are not waited with", async () => {
    const server = new FakeServer();
    server.say("ann", "bob", "0");
    server.acked.set("bob", 1);
    const { bodies } = await online(server, new FakeClock());
    server.push = (pos, send) => pos === 2 ? undefined : send();
    for (const body of numbers(2, 66)) server.say("ann", "bob", body);
    await settle();
    expect(bodies()).toEqual([]);
    server.say("ann", "bob", "67");
    await settle();
    expect(bodies()).toEqual(numbers(2, 67));
  });

  test("a lost tail is noticed by the head in a pong and fetched a second later", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.say("ann", "bob", "0");
    server.acked.set("bob", 1);
    const { bodies } = await online(server, clock);
    server.push = () => {};
    server.say("ann", "bob", "lost");
    clock.advance(25_000);
    await settle();
    expect(bodies()).toEqual([]);
    clock.advance(999);
    await settle();
    expect(bodies()).toEqual([]);
    clock.advance(1);
    await settle();
    expect(bodies()).toEqual(["lost"]);
  });

  test("positions that were trimmed are passed over", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.say("ann", "bob", "0");
    server.acked.set("bob", 1);
    const { bodies } = await online(server, clock);
    server.push = (pos, send) => pos === 4 ? send() : undefined;
    for (const body of numbers(2, 4)) server.say("ann", "bob", body);
    for (const row of server.inbox("bob").slice(1, 3)) row.messageId = 0n;
    await settle();
    clock.advance(300);
    await settle();
    expect(bodies()).toEqual(["4"]);
  });

  test("messages without a position are handed over as they come, once each", async () => {
    const server = new FakeServer();
    const { bodies } = await online(server, new FakeClock());
    const row = { messageId: 9n, sendTime: 9n, type: 1, body: "old", extra: "", sender: "ann", seq: 0, userSeq: 0 };
    const channel = server.online("bob")[0]!;
    channel.push({ ...row, dest: "bob", group: false, clientMsgId: "" });
    channel.push({ ...row, dest: "bob", group: false, clientMsgId: "" });
    await settle();
    expect(bodies()).toEqual(["old"]);
    expect(server.asked(TALK_ACK, pkt.MessageAckReq)).toEqual([{ messageId: 9n, userSeq: 0 }]);
  });

  test("a push that cannot be read ends the connection, and what it said is fetched", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { bodies } = await online(server, clock);
    server.push = (_pos, _send, channel) =>
      channel.send(Uint8Array.of(0xc3, 0x11, 0xa3, 0x65, 0, 0, 0, 1, 0xff, 0, 0, 0, 0));
    server.say("ann", "bob", "broken");
    await settle();
    server.push = (_pos, send) => send();
    clock.advance(1_000);
    await settle();
    expect(bodies()).toEqual(["broken"]);
  });
});

describe("after a login", () => {
  test("a new device starts where the account's reading stopped", async () => {
    const server = new FakeServer();
    for (const body of numbers(1, 5)) server.say("ann", "bob", body);
    server.acked.set("bob", 3);
    const { bodies } = await online(server, new FakeClock());
    expect(bodies()).toEqual(["4", "5"]);
  });

  test("what an earlier run has handled is not fetched again, also when it was only read elsewhere", async () => {
    const server = new FakeServer();
    const storage = new MemoryStorage();
    for (const body of numbers(1, 5)) server.say("ann", "bob", body);
    server.acked.set("bob", 5);
    const first = await online(server, new FakeClock(), { storage });
    await first.client.close();
    const second = await online(server, new FakeClock(), { storage });
    expect(second.bodies()).toEqual([]);
    expect(server.asked("login.signin", pkt.LoginReq)).toMatchObject([{ cursor: 0, epoch: "" }, {
      cursor: 5,
      epoch: "one",
    }]);
  });

  test("a recovered client is sent what it lacks and asks for nothing", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.say("ann", "bob", "1");
    const { bodies } = await online(server, clock);
    server.channels[0]!.cut();
    await settle();
    for (const body of numbers(2, 9)) server.say("ann", "bob", body);
    const asked = server.asked(SYNC, pkt.SyncReq).length;
    clock.advance(500);
    await settle();
    clock.advance(5_000);
    await settle();
    expect(bodies()).toEqual(numbers(1, 9));
    expect(server.asked(SYNC, pkt.SyncReq)).toHaveLength(asked);
  });

  test("pushes that a recovery promised and did not bring are fetched after a second", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.say("ann", "bob", "1");
    const { bodies } = await online(server, clock);
    server.channels[0]!.cut();
    server.push = () => {};
    for (const body of numbers(2, 4)) server.say("ann", "bob", body);
    await settle();
    clock.advance(500);
    await settle();
    clock.advance(1_000);
    await settle();
    expect(bodies()).toEqual(numbers(1, 4));
  });

  test("a client that is too far behind pulls by pages while live pushes wait for their turn", async () => {
    const server = new FakeServer();
    for (const body of numbers(1, 450)) server.say("ann", "bob", body);
    const { client, bodies } = fakeClient(server, new FakeClock());
    let said = 450;
    server.answer = ({ header }) => {
      if (header.command === SYNC) server.say("ann", "bob", String(++said)); // comes before the page
      return undefined;
    };
    await client.login();
    await settle();
    expect(bodies()).toEqual(numbers(1, said));
    expect(server.asked(SYNC, pkt.SyncReq).map(({ after, limit }) => ({ after, limit })).slice(0, 2)).toEqual([
      { after: 0, limit: 200 },
      { after: 200, limit: 200 },
    ]);
  });

  test("a log that was made anew is read from its beginning, and known messages are not repeated", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    for (const body of numbers(1, 3)) server.say("ann", "bob", body);
    const { bodies } = await online(server, clock);
    const kept = server.inbox("bob").slice(1).map((row, at) => ({ ...row, userSeq: at + 1 }));
    server.remake("two");
    server.inbox("bob").push(...kept);
    server.channels[0]!.cut();
    await settle();
    clock.advance(500);
    await settle();
    expect(bodies()).toEqual(numbers(1, 3));
    server.say("ann", "bob", "4");
    await settle();
    expect(bodies()).toEqual(numbers(1, 4));
  });

  test("a log that is made anew under a live connection is noticed by the next page", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    for (const body of numbers(1, 3)) server.say("ann", "bob", body);
    const { bodies } = await online(server, clock);
    server.remake("two");
    server.push = () => {};
    for (const body of numbers(4, 8)) server.say("ann", "bob", body);
    server.online("bob")[0]!.pong(5);
    await settle();
    clock.advance(1_000);
    await settle();
    expect(bodies()).toEqual(numbers(1, 8));
    await settle();
    clock.advance(500);
    await settle();
    expect(server.acked.get("bob")).toBe(5);
  });

  test("an inbox that gets its first message under the client has a name at the next login", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { bodies } = await online(server, clock);
    server.say("ann", "bob", "first");
    await settle();
    server.channels[0]!.cut();
    await settle();
    clock.advance(500);
    await settle();
    expect(bodies()).toEqual(["first"]);
    expect(server.asked("login.signin", pkt.LoginReq)).toMatchObject([{ epoch: "" }, { cursor: 1, epoch: "one" }]);
  });

  test("a page that is refused is asked for again, later and later", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    for (const body of numbers(1, 3)) server.say("ann", "bob", body);
    server.answer = ({ header }) => header.command === SYNC ? 302 : undefined;
    const { bodies } = await online(server, clock);
    clock.advance(500); // half of 1 s: the jitter of these tests
    await settle();
    clock.advance(999);
    await settle();
    expect(server.asked(SYNC, pkt.SyncReq)).toHaveLength(2);
    server.answer = () => undefined;
    clock.advance(1);
    await settle();
    expect(bodies()).toEqual(numbers(1, 3));
  });
});

describe("handlers", () => {
  test("the next message waits for an asynchronous handler", async () => {
    const server = new FakeServer();
    const { client } = await online(server, new FakeClock());
    const log: string[] = [];
    const gates: (() => void)[] = [];
    client.onMessage(async ({ body }) => {
      log.push(`begin ${body}`);
      await new Promise<void>((resolve) => gates.push(resolve));
      log.push(`end ${body}`);
    });
    for (const body of numbers(1, 2)) server.say("ann", "bob", body);
    await settle();
    expect(log).toEqual(["begin 1"]);
    gates[0]!();
    await settle();
    expect(log).toEqual(["begin 1", "end 1", "begin 2"]);
  });

  test("a slow handler loses nothing, and no more than two pages wait for it", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    for (const body of numbers(1, 1_500)) server.say("ann", "bob", body);
    const { client, bodies } = fakeClient(server, clock);
    let open: (() => void) | undefined;
    client.onMessage(() => open ? undefined : new Promise<void>((resolve) => open = resolve));
    await client.login();
    await settle();
    const asked = () => server.asked(SYNC, pkt.SyncReq).length;
    const before = asked();
    for (const body of numbers(1_501, 1_600)) server.say("ann", "bob", body);
    for (let i = 0; i < 20; i++) {
      clock.advance(1_000);
      await settle();
    }
    expect(bodies()).toEqual(["1"]);
    expect(before).toBe(asked());
    expect(before).toBeLessThanOrEqual(3);
    open!();
    await settle();
    await settle();
    expect(bodies()).toEqual(numbers(1, 1_600));
  });

  test("a handler that throws stops nothing", async () => {
    const server = new FakeServer();
    const { client, bodies } = await online(server, new FakeClock());
    client.onMessage(({ body }) => {
      if (body === "1") throw new Error("broken");
      return Promise.reject(new Error("broken later"));
    });
    for (const body of numbers(1, 3)) server.say("ann", "bob", body);
    await settle();
    expect(bodies()).toEqual(numbers(1, 3));
  });

  test("messages wait until somebody listens", async () => {
    const server = new FakeServer();
    const storage = new MemoryStorage();
    const options = { url: "ws://one", token: "bob", connect: server.connect, clock: new FakeClock(), storage };
    const client = new PetrelClient(options);
    await client.login();
    server.say("ann", "bob", "1");
    server.say("bob", "ann", "2");
    await settle();
    expect((await storage.load()).position).toMatchObject({ cursor: 0 });
    const bodies: string[] = [];
    const stop = client.onMessage(({ body }) => void bodies.push(body));
    expect(bodies).toEqual(["1", "2"]);
    stop();
    server.say("ann", "bob", "3");
    await settle();
    expect(bodies).toEqual(["1", "2"]);
    expect((await storage.load()).position).toMatchObject({ cursor: 2 });
  });

  test("the place is saved after the handlers have run, not before", async () => {
    const server = new FakeServer();
    const storage = new MemoryStorage();
    const { client } = await online(server, new FakeClock(), { storage });
    let open = () => {};
    client.onMessage(() => new Promise<void>((resolve) => open = resolve));
    server.say("ann", "bob", "1");
    await settle();
    expect((await storage.load()).position).toMatchObject({ cursor: 0, seen: [] });
    open();
    await settle();
    expect((await storage.load()).position).toMatchObject({ cursor: 1, seen: ["1000001"] });
  });
});

describe("acknowledgements", () => {
  test("the first goes at once, then the last handled at most every 500 ms", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    await online(server, clock);
    const acks = () => server.asked(TALK_ACK, pkt.MessageAckReq).map(({ userSeq }) => userSeq);
    for (let i = 1; i <= 10; i++) {
      server.say("ann", "bob", String(i));
      await settle();
      clock.advance(100);
      await settle();
    }
    clock.advance(500);
    await settle();
    expect(acks()).toEqual([1, 5, 10]);
    clock.advance(5_000);
    await settle();
    expect(acks()).toEqual([1, 5, 10]);
  });

  test("what is not told when the client closes is told then", async () => {
    const server = new FakeServer();
    const { client } = await online(server, new FakeClock());
    server.say("ann", "bob", "1");
    server.say("ann", "bob", "2");
    await settle();
    expect(server.acked.get("bob")).toBe(1);
    const channel = server.online("bob")[0]!;
    channel.left = () => {};
    await client.close();
    await settle();
    expect(server.acked.get("bob")).toBe(2);
  });

  test("after a lost connection the last is told again", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    await online(server, clock);
    server.answer = ({ header }, channel) => {
      if (header.command !== TALK_ACK) return undefined;
      channel.cut();
      return "silence";
    };
    server.say("ann", "bob", "1");
    await settle();
    server.answer = () => undefined;
    clock.advance(500);
    await settle();
    expect(server.acked.get("bob")).toBe(1);
  });

  test("the login says what the client can do, and its device when it has a name", async () => {
    const server = new FakeServer();
    await online(server, new FakeClock());
    await online(server, new FakeClock(), { token: "eve", device: "phone" });
    const metas = server.requests.filter((one) => one.header.command === "login.signin").map((one) => one.header.meta);
    expect(metas).toEqual([
      [{ key: "im.caps", value: "1", type: 1 }],
      [{ key: "im.caps", value: "1", type: 1 }, { key: "im.device", value: "phone", type: 1 }],
    ]);
    expect(server.requests.find((one) => one.header.command === TALK_ACK)?.header.meta ?? NO_META).toEqual([]);
  });
});
