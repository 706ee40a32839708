import { describe, expect, test } from "bun:test";
import { decodeBody } from "../../protocol/bodies.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG } from "../../protocol/header.ts";
import { META, textMeta } from "../../protocol/meta.ts";
import { encodeBasic } from "../../protocol/packet.ts";
import type { ClientChannel } from "./client_channel.ts";
import { Bench, refused, Wire } from "./gateway_bench.fixture.ts";

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

  test("a clock that jumps logs nobody out, and keeps nobody in", () => {
    const bench = new Bench();
    const wires = [86_400_000, -2 * 86_400_000].map((ms) => {
      const wire = new Wire();
      bench.first(wire, bench.token("ann", bench.clock.now() / 1000 + 30));
      bench.answer();
      bench.clock.jump(ms);
      return wire;
    });
    bench.clock.advance(29_000);
    expect(wires.map(({ closed }) => closed)).toEqual([undefined, undefined]);
    bench.clock.advance(3_000);
    expect(wires.map(({ closed }) => closed)).toEqual([CLOSE.TOKEN_EXPIRED, CLOSE.TOKEN_EXPIRED]);
  });

  test("leaving signs the channel out", () => {
    const bench = new Bench();
    const channel = bench.login(new Wire());
    bench.gateway.disconnected(channel, CLOSE.GONE);
    expect(bench.logic.up.at(-1)?.header).toMatchObject({ command: "login.signout", channelId: channel.id });
    expect(bench.gateway.size).toBe(0);
  });
});
