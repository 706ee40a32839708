import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { NO_META } from "../protocol/header.ts";
import { TALK_ACK } from "./commands.ts";
import { FakeServer, onlineClient, settle } from "./fake_server.ts";

describe("acknowledgements", () => {
  test("the first goes at once, then the last handled at most every 500 ms", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    await onlineClient(server, clock);
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
    const { client } = await onlineClient(server, new FakeClock());
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
    await onlineClient(server, clock);
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

  test("what was handled of a log that was made anew is not acknowledged in the new one", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    for (const body of ["1", "2", "3"]) server.say("ann", "bob", body);
    await onlineClient(server, clock);
    server.remake("two");
    server.say("ann", "eve", "another inbox");
    server.channels[0]!.cut();
    await settle();
    const before = server.asked(TALK_ACK, pkt.MessageAckReq).length;
    clock.advance(500);
    await settle();
    clock.advance(5_000);
    await settle();
    expect(server.asked(TALK_ACK, pkt.MessageAckReq).slice(before)).toEqual([]);
    server.say("ann", "bob", "first of the new log");
    await settle();
    expect(server.asked(TALK_ACK, pkt.MessageAckReq).slice(before)).toMatchObject([{ userSeq: 1 }]);
  });

  test("the login says what the client can do, and its device when it has a name", async () => {
    const server = new FakeServer();
    await onlineClient(server, new FakeClock());
    await onlineClient(server, new FakeClock(), { token: "eve", device: "phone" });
    const metas = server.requests.filter((one) => one.header.command === "login.signin").map((one) => one.header.meta);
    expect(metas).toEqual([
      [{ key: "im.caps", value: "1", type: 1 }],
      [{ key: "im.caps", value: "1", type: 1 }, { key: "im.device", value: "phone", type: 1 }],
    ]);
    expect(server.requests.find((one) => one.header.command === TALK_ACK)?.header.meta ?? NO_META).toEqual([]);
  });
});
