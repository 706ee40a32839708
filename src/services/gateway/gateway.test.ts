import { createHmac } from "node:crypto";
import { describe, expect, test } from "bun:test";
import { FakeClock } from "../../base/fake_clock.ts";
import { silent } from "../../base/logger.ts";
import { Metrics } from "../../base/metrics.ts";
import type { Downlink, Downward, Upward } from "../../container/link.ts";
import { MemoryLink } from "../../container/memory_link.ts";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import { makeToken } from "../../protocol/claims.ts";
import { CLOSE, type CloseReason } from "../../protocol/close_reason.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, type Header, makeHeader } from "../../protocol/header.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { META, textMeta } from "../../protocol/meta.ts";
import { decodePacket, encodeBasic, encodeLogic, type LogicPacket, NO_BODY } from "../../protocol/packet.ts";
import type { ChannelAgent, ClientChannel } from "./client_channel.ts";
import { GATEWAY_DEFAULTS, type GatewayConfig } from "./config.ts";
import { Gateway } from "./gateway.ts";

const hmac = (data: Uint8Array) =>
  new Uint8Array(createHmac("sha256", "a secret that is long enough").update(data).digest());

/** A connection whose traffic is kept. */
class Wire implements ChannelAgent {
  queuedPushBytes = 0;
  readonly out: LogicPacket[] = [];
  readonly raw: Uint8Array[] = [];
  closed: CloseReason | undefined;
  paused = false;
  push(bytes: Uint8Array): void {
    this.reply(bytes);
  }
  reply(bytes: Uint8Array): void {
    this.raw.push(bytes);
    const packet = decodePacket(bytes, LIMITS.link);
    if (packet.kind === "logic") this.out.push(packet);
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  close(why: CloseReason): void {
    this.closed ??= why;
  }
  get last(): Header {
    return this.out.at(-1)!.header;
  }
}

/** A gateway with scripted logic servers. */
class Bench {
  readonly clock = new FakeClock();
  readonly metrics = new Metrics();
  readonly gateway: Gateway;
  readonly links = new Map<string, { link: MemoryLink; up: Upward[]; down: Downlink }>();

  constructor(config: Partial<GatewayConfig> = {}, logics = ["chat1"]) {
    const all = { ...GATEWAY_DEFAULTS, messageRate: 0, serviceId: "gw", ...config };
    this.gateway = new Gateway(all, { clock: this.clock, log: silent, metrics: this.metrics, hmac });
    for (const id of logics) this.addLogic(id);
  }

  addLogic(id: string) {
    const up: Upward[] = [];
    const link = new MemoryLink({ gateId: "gw", logicId: id }, this.gateway, {
      up: (packet) => void up.push(packet),
      closed() {},
    });
    const one = { link, up, down: link.downlink };
    this.links.set(id, one);
    this.gateway.attach(link.uplink);
    return one;
  }

  get logic() {
    return this.links.get("chat1")!;
  }

  token(account = "ann", exp = this.clock.now() / 1000 + 3600, app = "kim"): string {
    return makeToken({ acc: account, app, exp }, hmac);
  }

  first(wire: Wire, token = this.token(), header: Partial<Header> = {}) {
    const packet = encodeLogic(
      { ...makeHeader("login.signin", { sequence: 7 }), ...header },
      encodeBody(pkt.LoginReq, { token }),
    );
    return this.gateway.first(wire, "127.0.0.1", packet);
  }

  /** A channel whose login was answered at inbox position `pos`. */
  login(wire: Wire, pos = 0, header: Partial<Header> = {}, account = "ann"): ClientChannel {
    const channel = this.first(wire, this.token(account), header) as ClientChannel;
    this.answer(pos);
    return channel;
  }

  /** The newest request is answered. */
  answer(pos = 0, status = 0, body: Uint8Array = NO_BODY, from = this.logic): void {
    this.reply(from.up.at(-1)!, pos, status, body, from);
  }

  reply(request: Upward, pos = 0, status = 0, body: Uint8Array = NO_BODY, from = this.logic): void {
    from.down.send({
      header: makeHeader(request.header.command, { ...request.header, flag: FLAG.RESPONSE, status }),
      body,
      gateId: "gw",
      channels: request.header.channelId ? [request.header.channelId] : [],
      positions: [pos],
      own: false,
      answers: request.key?.n ?? 0,
    });
  }

  push(channel: ClientChannel, pos: number, more: Partial<Downward> = {}): void {
    this.logic.down.send({
      header: makeHeader("chat.user.talk", { flag: FLAG.PUSH, dest: "ann" }),
      body: encodeBody(pkt.MessagePush, { messageId: BigInt(pos), sender: "bob" }),
      gateId: "gw",
      channels: [channel.id],
      positions: [pos],
      own: false,
      answers: 0,
      ...more,
    });
  }

  send(channel: ClientChannel, command: string, more: Partial<Header> = {}, body: Uint8Array = NO_BODY): void {
    this.gateway.receive(channel, encodeLogic(makeHeader(command, { sequence: 3, ...more }), body));
  }
}

const refused = (outcome: ReturnType<Bench["first"]>) => {
  if (!("at" in outcome)) throw new Error("was let in");
  const packet = outcome.packet ? decodePacket(outcome.packet, LIMITS.link) as LogicPacket : undefined;
  return { why: outcome.why, header: packet?.header };
};
const ids = (wire: Wire) =>
  wire.out.filter((one) => one.header.flag === FLAG.PUSH)
    .map((one) => Number(decodeBody(pkt.MessagePush, one.body).messageId));

describe("login", () => {
  test("forwards a Session that the gateway made, with a channel id that contains the account", () => {
    const bench = new Bench();
    const channel = bench.first(new Wire()) as ClientChannel;
    const request = bench.logic.up[0]!;
    expect(request.header).toMatchObject({ command: "login.signin", sequence: 7, channelId: channel.id, flag: 0 });
    expect(channel.id).toMatch(/^gw_ann_[0-9a-z]+$/);
    expect(decodeBody(pkt.Session, request.body)).toMatchObject({
      account: "ann",
      app: "kim",
      gateId: "gw",
      remoteIP: "127.0.0.1",
    });
  });

  test("the first packet a client gets is the login response, although a push was quicker", () => {
    const bench = new Bench();
    const wire = new Wire();
    const channel = bench.first(wire, undefined, { meta: [textMeta(META.CAPS, "1")] }) as ClientChannel;
    bench.push(channel, 5);
    expect(wire.out).toEqual([]);
    bench.reply(bench.logic.up[0]!, 4);
    expect(wire.out.map((one) => one.header.flag)).toEqual([FLAG.RESPONSE, FLAG.PUSH]);
    expect(wire.last.meta).toEqual([textMeta(META.POS, "5")]);
  });

  test.each([
    [
      "another command",
      (b: Bench) => b.first(new Wire(), undefined, { command: "chat.user.talk" }),
      103,
      CLOSE.NOT_LOGIN,
    ],
    ["a bad token", (b: Bench) => b.first(new Wire(), "abc"), 105, CLOSE.UNAUTHORIZED],
    ["an expired token", (b: Bench) => b.first(new Wire(), b.token("ann", 1000)), 105, CLOSE.UNAUTHORIZED],
    ["an account with a comma", (b: Bench) => b.first(new Wire(), b.token("a,b")), 105, CLOSE.UNAUTHORIZED],
    ["an empty account", (b: Bench) => b.first(new Wire(), b.token("")), 105, CLOSE.UNAUTHORIZED],
    ["61 characters of account", (b: Bench) => b.first(new Wire(), b.token("x".repeat(61))), 105, CLOSE.UNAUTHORIZED],
    [
      "a device with a space",
      (b: Bench) => b.first(new Wire(), undefined, { meta: [textMeta(META.DEVICE, "a b")] }),
      101,
      CLOSE.BAD_DATA,
    ],
  ])("%s is told its status before the close", (_name, attempt, status, why) => {
    const bench = new Bench();
    const outcome = refused(attempt(bench));
    expect(outcome.header).toMatchObject({ flag: FLAG.RESPONSE, status, sequence: 7 });
    expect(outcome.why).toEqual(why);
    expect(bench.logic.up).toEqual([]);
  });

  test("metas of another type, or of a key that is not ours, are as if they were not there", () => {
    const bench = new Bench();
    const meta = [
      { key: META.DEVICE, value: "phone", type: 0 },
      textMeta("app", "other"),
      textMeta("account", "eve"),
      textMeta("dest.server", "x"),
    ];
    bench.first(new Wire(), undefined, { meta });
    expect(bench.logic.up[0]).toMatchObject({
      app: "kim",
      account: "ann",
      device: "",
      gateId: "gw",
      header: { meta: [] },
    });
  });

  test.each([["garbage", new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8])], ["a ping", encodeBasic(1)]])(
    "%s as the first packet closes without an answer",
    (_name, bytes) => {
      expect(refused(new Bench().gateway.first(new Wire(), "::1", bytes))).toEqual({
        why: CLOSE.BAD_DATA,
        header: undefined,
      });
    },
  );

  test("no logic server: 300, then closed", () => {
    const outcome = refused(new Bench({}, []).first(new Wire()));
    expect(outcome.header?.status).toBe(300);
    expect(outcome.why).toEqual(CLOSE.LOGIN_FAILED);
  });

  test("a login that nobody answers ends with 300 after 5 s", () => {
    const bench = new Bench();
    const wire = new Wire();
    bench.first(wire);
    bench.clock.advance(5_100);
    expect(wire.last).toMatchObject({ status: 300, sequence: 7, flag: FLAG.RESPONSE });
    expect(wire.closed).toEqual(CLOSE.LOGIN_FAILED);
  });

  test("logic refuses: the status is delivered and the channel closed", () => {
    const bench = new Bench();
    const wire = new Wire();
    bench.first(wire);
    bench.answer(0, 300);
    expect(wire.last.status).toBe(300);
    expect(wire.closed).toEqual(CLOSE.LOGIN_FAILED);
  });

  test("requests that come before the answer wait for it", () => {
    const bench = new Bench();
    const wire = new Wire();
    const channel = bench.first(wire) as ClientChannel;
    bench.send(channel, "chat.user.talk", { dest: "bob" });
    expect(bench.logic.up.length).toBe(1);
    bench.answer();
    expect(bench.logic.up[1]?.header.command).toBe("chat.user.talk");
  });

  test("a token that ends closes its channel", () => {
    const bench = new Bench();
    const wire = new Wire();
    bench.first(wire, bench.token("ann", bench.clock.now() / 1000 + 30));
    bench.answer();
    bench.clock.advance(29_000);
    expect(wire.closed).toBeUndefined();
    bench.clock.advance(3_000);
    expect(wire.closed).toEqual(CLOSE.TOKEN_EXPIRED);
  });

  test("leaving signs the channel out", () => {
    const bench = new Bench();
    const channel = bench.login(new Wire());
    bench.gateway.disconnected(channel, CLOSE.GONE);
    expect(bench.logic.up.at(-1)?.header).toMatchObject({ command: "login.signout", channelId: channel.id });
    expect(bench.gateway.size).toBe(0);
  });
});

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

  test("with no other server left requests wait for one, new ones are told to wait", () => {
    const bench = new Bench();
    const wire = new Wire();
    const channel = bench.login(wire);
    bench.send(channel, "chat.user.talk", { dest: "bob", sequence: 1 });
    bench.logic.link.cut();
    bench.send(channel, "chat.user.talk", { dest: "bob", sequence: 2 });
    expect(wire.last).toMatchObject({ status: 302, sequence: 2 });
    const two = bench.addLogic("chat2");
    expect(two.up.filter((one) => one.header.command === "chat.user.talk").map((one) => one.header.sequence)).toEqual([
      1,
    ]);
    expect(two.up.some((one) => one.header.command === "im.heads")).toBe(true);
  });

  test("a draining server keeps a channel until nothing waits", () => {
    const bench = new Bench();
    const channel = bench.login(new Wire());
    bench.send(channel, "chat.user.talk", { dest: "bob", sequence: 1 });
    const two = bench.addLogic("chat2");
    bench.logic.link.drain();
    bench.send(channel, "chat.user.talk", { dest: "bob", sequence: 2 });
    const talks = bench.logic.up.filter((one) => one.header.command === "chat.user.talk");
    expect(talks.length).toBe(2);
    for (const talk of talks) bench.reply(talk);
    bench.send(channel, "chat.user.talk", { dest: "bob", sequence: 3 });
    expect(two.up.at(-1)?.header.sequence).toBe(3);
  });
});

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
    bench.push(channel, 1);
    expect(bench.metrics.read("petrel_pushes_gone_total")).toBe(1);
    expect(bench.logic.up.filter((one) => one.header.command === "login.signout").length).toBe(2);
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
