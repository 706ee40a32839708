import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { SYNC, TALK_ACK } from "./commands.ts";
import { FakeServer, onlineClient, settle } from "./fake_server.ts";

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

describe("live pushes", () => {
  test("a message is handed over with everything the server said about it", async () => {
    const server = new FakeServer();
    const { received } = await onlineClient(server, new FakeClock());
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
    const { received } = await onlineClient(server, new FakeClock());
    server.say("bob", "ann", "from my phone", { clientMsgId: "phone-1" });
    await settle();
    expect(received).toMatchObject([{ own: true, sender: "bob", peer: "ann", body: "from my phone" }]);
  });

  test("a group message has the group as peer, whoever sent it", async () => {
    const server = new FakeServer();
    const { received } = await onlineClient(server, new FakeClock());
    const row = { messageId: 7n, sendTime: 7n, type: 1, body: "all", extra: "", sender: "ann", seq: 1, userSeq: 1 };
    server.inbox("bob").push({ ...row, dest: "g1", group: true, clientMsgId: "" });
    server.online("bob")[0]!.push(server.inbox("bob")[0]!);
    await settle();
    expect(received).toMatchObject([{ peer: "g1", group: true, sender: "ann", own: false }]);
  });

  test("pushes that come twice are handed over once", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    server.push = (_pos, send) => (send(), send());
    server.say("ann", "bob", "1");
    const { bodies } = await onlineClient(server, clock);
    const asked = server.asked(SYNC, pkt.SyncReq).length;
    for (const body of numbers(2, 5)) server.say("ann", "bob", body);
    await settle();
    clock.advance(5_000);
    await settle();
    expect(bodies()).toEqual(numbers(1, 5));
    expect(server.asked(SYNC, pkt.SyncReq)).toHaveLength(asked);
  });

  test("pushes that overtake each other are handed over in inbox order, without asking", async () => {
    const server = new FakeServer();
    const late: (() => void)[] = [];
    server.push = (_pos, send) => late.push(send);
    server.say("ann", "bob", "0");
    server.acked.set("bob", 1);
    const { bodies } = await onlineClient(server, new FakeClock());
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
    const { bodies } = await onlineClient(server, clock);
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
    const { bodies } = await onlineClient(server, new FakeClock());
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
    const { bodies } = await onlineClient(server, clock);
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
    const { bodies } = await onlineClient(server, clock);
    server.push = (pos, send) => pos === 4 ? send() : undefined;
    for (const body of numbers(2, 4)) server.say("ann", "bob", body);
    for (const row of server.inbox("bob").slice(1, 3)) row.messageId = 0n;
    await settle();
    clock.advance(300);
    await settle();
    expect(bodies()).toEqual(["4"]);
  });

  test("an account's first messages wait for their log's name, so that none comes again after a cut", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { bodies } = await onlineClient(server, clock);
    server.answer = ({ header }) => header.command === SYNC ? 302 : undefined;
    for (const body of numbers(1, 600)) server.say("ann", "bob", body);
    await settle();
    server.answer = () => undefined;
    server.online("bob")[0]!.cut();
    for (let i = 0; i < 60; i++) {
      clock.advance(1_000);
      await settle();
    }
    expect(bodies()).toEqual(numbers(1, 600));
  });

  test("messages without a position are handed over as they come, once each", async () => {
    const server = new FakeServer();
    const { bodies } = await onlineClient(server, new FakeClock());
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
    const { bodies } = await onlineClient(server, clock);
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
