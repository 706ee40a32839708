import { describe, expect, test } from "bun:test";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG } from "../../protocol/header.ts";
import { META, textMeta } from "../../protocol/meta.ts";
import { encodeBasic, NO_BODY } from "../../protocol/packet.ts";
import { Bench, Wire } from "./gateway_bench.fixture.ts";

describe("requests", () => {
  test("are stamped: what a client wrote about itself does not count", () => {
    const bench = new Bench();
    const channel = bench.login(new Wire());
    bench.send(channel, "chat.user.talk", {
      dest: "bob",
      channelId: "gw_eve_1",
      status: 404,
      flag: FLAG.PUSH,
      meta: [
        textMeta("app", "other"),
        textMeta("account", "eve"),
        textMeta("dest.channels", "x"),
        textMeta("im.key", "y 1 1"),
      ],
    });
    expect(bench.logic.up.at(-1)).toMatchObject({
      app: "kim",
      account: "ann",
      header: { channelId: channel.id, status: 0, flag: FLAG.REQUEST, meta: [], dest: "bob", sequence: 3 },
      key: { scope: channel.id, n: 1, low: 1 },
    });
  });

  test("are forwarded as if they had no metas, whatever metas a client wrote", () => {
    const bench = new Bench();
    const metas = ["app", "account", "dest.server", "dest.channels", ...Object.values(META)];
    for (const type of [0, 1, 2]) {
      const channel = bench.login(new Wire(), 0, {}, "ann");
      bench.send(channel, "chat.user.talk", { dest: "bob" });
      const { key: first, header, ...plain } = bench.logic.up.at(-1)!;
      const meta = metas.map((key) => ({ key, value: "1 2 3", type }));
      bench.send(channel, "chat.user.talk", { dest: "bob", meta });
      const { key: second, ...marked } = bench.logic.up.at(-1)!;
      expect(marked).toEqual({ header, ...plain });
      expect([first, second]).toEqual([1, 2].map((n) => ({ scope: channel.id, n, low: 1 })));
    }
  });

  test("that nothing answers to get 301", () => {
    const bench = new Bench();
    const wire = new Wire();
    const channel = bench.login(wire);
    for (const command of ["foo.bar", "", "nodot", "im.fill", "im.heads", ".x", "login.other"]) {
      bench.send(channel, command, { sequence: 9 });
      expect(wire.last).toMatchObject({ command, status: 301, sequence: 9, flag: FLAG.RESPONSE });
    }
    expect(bench.logic.up.length).toBe(1);
  });

  test("a second login is 103, a logout is answered and ends the session", () => {
    const bench = new Bench();
    const wire = new Wire();
    const channel = bench.login(wire);
    bench.send(channel, "login.signin");
    expect(wire.last.status).toBe(103);
    expect(wire.closed).toBeUndefined();
    bench.send(channel, "login.signout", { sequence: 11 });
    expect(wire.last).toMatchObject({ status: 0, sequence: 11, command: "login.signout" });
    expect(wire.closed).toEqual(CLOSE.SIGNED_OUT);
  });

  test("garbage after the login closes the channel and is counted", () => {
    const bench = new Bench();
    const wire = new Wire();
    bench.gateway.receive(bench.login(wire), new Uint8Array(20));
    expect(wire.closed).toEqual(CLOSE.BAD_DATA);
    expect(bench.metrics.read("petrel_bad_packets_total")).toBe(1);
  });

  test("a ping is answered; ours with the inbox head, and heads are asked for once a second", () => {
    const bench = new Bench();
    const old = new Wire();
    bench.gateway.receive(bench.login(old, 5), encodeBasic(1, new Uint8Array([1])));
    expect(old.raw.at(-1)).toEqual(encodeBasic(2));
    const ours = new Wire();
    const channel = bench.login(ours, 5, { meta: [textMeta(META.CAPS, "1")] }, "bob");
    bench.gateway.receive(channel, encodeBasic(1));
    expect(ours.raw.at(-1)).toEqual(encodeBasic(2, new Uint8Array([0, 0, 0, 0, 0, 0, 0, 5])));
    bench.clock.advance(1_100);
    const ask = bench.logic.up.at(-1)!;
    expect(ask.header.command).toBe("im.heads");
    expect(decodeBody(pkt.HeadsReq, ask.body).items.map((item) => item.account).sort()).toEqual(["ann", "bob"]);
  });

  test("an inbox that ends before what was sent was put back: the client has to come again, and soon", () => {
    const bench = new Bench();
    const [ann, bob] = [new Wire(), new Wire()];
    const ours = { meta: [textMeta(META.CAPS, "1")] };
    const channel = bench.login(ann, 5, ours);
    const other = bench.login(bob, 5, ours, "bob");
    for (const [one, pos] of [[channel, 3], [other, 5]] as const) bench.push(one, pos); // nobody pinged
    bench.clock.advance(1_100);
    const ask = bench.logic.up.at(-1)!;
    const { items } = decodeBody(pkt.HeadsReq, ask.body);
    expect(items.map(({ account }) => account)).toEqual(["ann", "bob"]);
    bench.push(other, 6); // while it was asked: no sign of anything
    bench.reply(ask, 0, 0, encodeBody(pkt.HeadsResp, { positions: [3, 5] }));
    expect(ann.closed).toEqual(CLOSE.INTERNAL);
    expect(bob.closed).toBeUndefined();
  });

  test("unanswered requests over 256 KiB stop the reading, answers start it again", () => {
    const bench = new Bench();
    const wire = new Wire();
    const channel = bench.login(wire);
    for (let i = 0; i < 6; i++) {
      bench.send(channel, "chat.user.talk", { sequence: i, dest: "bob" }, new Uint8Array(50_000));
    }
    expect(wire.paused).toBe(true);
    for (const request of bench.logic.up.slice(1, 5)) bench.reply(request);
    expect(wire.paused).toBe(false);
  });

  test("over the rate a channel is read more slowly, then refused, then closed", () => {
    const bench = new Bench({ messageRate: 10 });
    const wire = new Wire();
    const channel = bench.login(wire);
    for (let i = 0; i < 31; i++) bench.send(channel, "chat.user.talk", { dest: "bob" });
    expect(wire.paused).toBe(true);
    expect(wire.out.length).toBe(1);
    for (let i = 0; i < 20; i++) bench.send(channel, "chat.user.talk", { dest: "bob" });
    expect(wire.last.status).toBe(302);
    for (let i = 0; i < 200; i++) bench.send(channel, "chat.user.talk", { dest: "bob" });
    expect(wire.closed).toEqual(CLOSE.RATE);
    bench.clock.advance(1_000);
    expect(wire.paused).toBe(false);
  });
});

describe("when a logic server goes", () => {
  test("what was not answered is forwarded again, in order, with its keys; a second answer is dropped", () => {
    const bench = new Bench();
    const wire = new Wire();
    const channel = bench.login(wire);
    for (let i = 1; i <= 3; i++) bench.send(channel, "chat.user.talk", { sequence: i, dest: "bob" });
    const [, first] = bench.logic.up;
    bench.reply(first!);
    const two = bench.addLogic("chat2");
    bench.logic.link.cut();
    const talks = two.up.filter((one) => one.header.command === "chat.user.talk");
    expect(talks.map((one) => [one.header.sequence, one.key?.n])).toEqual([[2, 2], [3, 3]]);
    const before = wire.out.length;
    for (const talk of [...talks, ...talks]) bench.reply(talk, 0, 0, NO_BODY, two);
    expect(wire.out.length).toBe(before + 2);
  });
});
