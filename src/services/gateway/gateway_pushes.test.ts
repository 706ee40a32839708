import { describe, expect, test } from "bun:test";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import { META, textMeta } from "../../protocol/meta.ts";
import type { ClientChannel } from "./client_channel.ts";
import { Bench, ids, Wire } from "./gateway_bench.fixture.ts";

describe("a kick-out", () => {
  const kick = (bench: Bench, channel: ClientChannel) =>
    bench.push(channel, 0, {
      header: makeHeader("login.signin", { flag: FLAG.PUSH }),
      body: encodeBody(pkt.KickoutNotify, { channelId: channel.id }),
    });

  test("is pushed; then requests get 105, nothing is forwarded, and the channel closes after 1.5 s", () => {
    const bench = new Bench();
    const wire = new Wire();
    const channel = bench.login(wire);
    kick(bench, channel);
    expect(wire.last).toMatchObject({ command: "login.signin", flag: FLAG.PUSH, status: 0 });
    bench.send(channel, "chat.user.talk", { dest: "bob" });
    expect(wire.last.status).toBe(105);
    expect(bench.logic.up.length).toBe(1);
    bench.clock.advance(1_400);
    expect(wire.closed).toBeUndefined();
    bench.clock.advance(200);
    expect(wire.closed).toEqual(CLOSE.KICKED);
  });

  test("that overtakes the login's answer follows it", () => {
    const bench = new Bench();
    const wire = new Wire();
    const channel = bench.first(wire) as ClientChannel;
    kick(bench, channel);
    expect(wire.out).toEqual([]);
    bench.answer();
    expect(wire.out.map((one) => one.header.flag)).toEqual([FLAG.RESPONSE, FLAG.PUSH]);
    expect(channel.state).toBe("kicked");
  });
});

describe("pushes", () => {
  test("for a channel that is gone sign it out where its location is kept", () => {
    const bench = new Bench();
    const channel = bench.login(new Wire());
    bench.gateway.disconnected(channel, CLOSE.GONE);
    bench.answer();
    bench.push(channel, 1);
    expect(bench.metrics.read("petrel_pushes_gone_total")).toBe(1);
    expect(bench.logic.up.filter((one) => one.header.command === "login.signout").length).toBe(2);
  });

  test("without a position follow the login's answer as well, at most 64 of them", () => {
    const bench = new Bench();
    const wire = new Wire();
    const channel = bench.first(wire) as ClientChannel;
    for (let i = 0; i < 100; i++) bench.push(channel, 0);
    expect(wire.out).toEqual([]);
    bench.answer();
    expect(wire.out.map((one) => one.header.flag)).toEqual([FLAG.RESPONSE, ...new Array(64).fill(FLAG.PUSH)]);
  });

  test("of an account's own messages are not shown to old clients", () => {
    const bench = new Bench();
    const [old, ours] = [new Wire(), new Wire()];
    const a = bench.login(old);
    bench.clock.advance(400);
    const b = bench.login(ours, 0, { meta: [textMeta(META.CAPS, "1"), textMeta(META.DEVICE, "d")] });
    for (const channel of [a, b]) {
      bench.push(channel, 1, { own: true });
      bench.push(channel, 2);
    }
    expect(ids(old)).toEqual([2]);
    expect(ids(ours)).toEqual([1, 2]);
  });

  test.each(["the page", "the request"])(
    "%s comes after pushes went on without it: the rest is an empty page",
    (late) => {
      const bench = new Bench();
      const wire = new Wire();
      const channel = bench.login(wire);
      const page = (messageId: bigint) =>
        encodeBody(pkt.MessageIndexResp, {
          indexes: [{ messageId, direction: 0, sendTime: 1n, accountB: "bob", group: "" }],
        });
      bench.send(channel, "chat.offline.index", { sequence: 4 });
      bench.answer(1, 0, page(1n));
      if (late === "the page") bench.send(channel, "chat.offline.index", { sequence: 5 });
      const asked = bench.logic.up.at(-1)!;
      bench.push(channel, 2);
      expect(ids(wire)).toEqual([]);
      bench.clock.advance(5_100);
      const row = decodeBody(
        pkt.MessagePush,
        encodeBody(pkt.MessagePush, { messageId: 2n, sender: "bob", userSeq: 2 }),
      );
      bench.answer(0, 0, encodeBody(pkt.SyncResp, { messages: [row], head: 2, scannedTo: 2 }));
      expect(ids(wire)).toEqual([2]);
      if (late === "the page") bench.reply(asked, 2, 0, page(2n));
      else bench.send(channel, "chat.offline.index", { sequence: 5 });
      expect(wire.last).toMatchObject({ command: "chat.offline.index", flag: FLAG.RESPONSE, sequence: 5, status: 0 });
      expect(wire.out.at(-1)!.body.length).toBe(0);
      bench.push(channel, 3);
      expect(ids(wire)).toEqual([2, 3]);
      const before = bench.logic.up.length;
      bench.send(channel, "chat.offline.index", { sequence: 6 });
      expect(bench.logic.up.length).toBe(before + 1);
    },
  );

  test("an index that waited in the sockets of a stopped gateway still comes before pushes", () => {
    const bench = new Bench();
    const wire = new Wire();
    const channel = bench.login(wire);
    bench.push(channel, 1);
    bench.clock.stall(1_000);
    bench.clock.advance(0);
    bench.send(channel, "chat.offline.index", { sequence: 5 });
    bench.clock.advance(100);
    expect(bench.logic.up.at(-1)!.header.command).toBe("chat.offline.index");
    expect(ids(wire)).toEqual([]);
    const busy = bench.login(new Wire());
    bench.push(busy, 1);
    const asked = bench.logic.up.length;
    for (let i = 0; i < 3; i++, bench.clock.advance(0)) bench.clock.stall(1_000); // slow, but going on
    expect(bench.logic.up.slice(asked).map(({ header }) => header.command)).toContain("im.fill");
  });

  test("a gap is filled from the store", () => {
    const bench = new Bench();
    const wire = new Wire();
    const channel = bench.login(wire);
    bench.clock.advance(400);
    bench.push(channel, 1);
    bench.push(channel, 4);
    bench.clock.advance(300);
    const ask = bench.logic.up.at(-1)!;
    expect(decodeBody(pkt.FillReq, ask.body)).toMatchObject({ app: "kim", account: "ann", after: 1, upTo: 3 });
    const messages = [2, 3].map((pos) => ({
      messageId: BigInt(pos),
      type: 1,
      body: "x",
      extra: "",
      sender: "bob",
      sendTime: 1n,
      seq: pos,
      userSeq: pos,
      dest: "ann",
      clientMsgId: "",
      group: false,
    }));
    bench.answer(0, 0, encodeBody(pkt.SyncResp, { messages, head: 4, epoch: "e", scannedTo: 3 }));
    expect(ids(wire)).toEqual([1, 2, 3, 4]);
  });
});
