import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { clientFrame, FrameReader, OPCODE, type Transport } from "./frames.ts";
import { decodePacket, encodePacket, FLAG, PacketScan, PING, PONG, PushScan } from "./packet.ts";
import { Message, MessageWriter } from "./proto.ts";
import { MIN_BODY, SEQUENCE, Stamp, TalkTemplate } from "./talk_template.ts";
import { signToken } from "./token.ts";
import { parseServerUrl, type WireConn } from "./wire_conn.ts";

const hex = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const bytesOf = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

describe("the load tool's own codec", () => {
  test("writes and reads the packets of the specification", () => {
    const request = encodePacket({
      command: "chat.user.talk",
      sequence: 3,
      dest: "test2",
      body: new MessageWriter().int(1, 1).text(2, "hello 你好 😀").text(3, `{"k":1}`).done(),
    });
    expect(hex(request)).toBe(
      "c311a365000000190a0e636861742e757365722e74616c6b180332057465737432" +
        "0000001e0801121168656c6c6f20e4bda0e5a5bd20f09f98801a077b226b223a317d",
    );
    const push = decodePacket(bytesOf(
      "c311a3650000002b0a0e636861742e757365722e74616c6b120e6761746530315f74657374315f321803200232057465737432" +
        "0000002308818080808080801010011a0568656c6c6f2a0574657374313099adb4c2b4fb86cd16",
    ))!;
    expect(push).toMatchObject({ command: "chat.user.talk", channelId: "gate01_test1_2", sequence: 3, flag: 2 });
    const body = new Message(push.body);
    expect([body.int64(1), body.text(3), body.text(5), body.int64(6)])
      .toEqual([9007199254740993n, "hello", "test1", 1628644843872655001n]);
    expect([decodePacket(PING), decodePacket(PONG)]).toEqual([undefined, undefined]);
    expect(new Message(bytesOf("08ffffffffffffffffff01")).int64(1)).toBe(-1n);
  });

  test("signs tokens as the specification's example", () => {
    expect(signToken("jwt-1sNzdiSgnNuxyq2g7xml2JvLArU", { acc: "test1", app: "kim", exp: 4102444800 })).toBe(
      "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhY2MiOiJ0ZXN0MSIsImFwcCI6ImtpbSIsImV4cCI6NDEwMjQ0NDgwMH0" +
        ".T85_Y8zvU-ekcFpZZLmP4RB6CjLK2Xlj274wAVxanlg",
    );
  });

  test("reads packed and unpacked lists, and skips what it does not know", () => {
    expect(new Message(bytesOf("0a020102")).int64s(1)).toEqual([1n, 2n]);
    expect(new Message(bytesOf("08010802")).int64s(1)).toEqual([1n, 2n]);
    expect(new Message(bytesOf("a90601020304050607080801")).uint(1)).toBe(1);
  });

  test.each([["a varint that is cut off", "08ff"], ["a field that is longer than the rest", "0a05ff"]])(
    "refuses %s",
    (_what, text) => expect(() => new Message(bytesOf(text))).toThrow("Cannot read protobuf"),
  );

  test("PacketScan sees what decodePacket sees, whatever the fields", () => {
    const packets = fc.record({
      command: fc.constantFrom("chat.user.talk", "chat.talk.ack", "chat.group.talk", "login.signin", "x"),
      channelId: fc.string({ maxLength: 60 }),
      sequence: fc.nat(0xffffffff),
      flag: fc.constantFrom(0, 1, 2),
      status: fc.constantFrom(0, 100, 302, 404),
      dest: fc.string({ maxLength: 200 }),
      meta: fc.array(fc.tuple(fc.string(), fc.string()), { maxLength: 3 }).map((entries) => new Map(entries)),
      body: fc.uint8Array({ maxLength: 300 }),
    });
    const scan = new PacketScan();
    fc.assert(fc.property(packets, fc.nat(9), (packet, offset) => {
      const bytes = encodePacket(packet);
      const within = new Uint8Array(offset + bytes.length + 3);
      within.set(bytes, offset);
      expect(scan.scan(within, offset, offset + bytes.length)).toBe(true);
      const { sequence, flag, status } = decodePacket(bytes)!;
      expect([scan.sequence, scan.flag, scan.status]).toEqual([sequence, flag, status]);
      expect(within.slice(scan.bodyStart, scan.bodyEnd)).toEqual(packet.body);
      const kinds: Record<string, string> = {
        "chat.user.talk": "talk",
        "chat.group.talk": "talk",
        "chat.talk.ack": "ack",
      };
      expect(scan.kind).toBe((kinds[packet.command] ?? "other") as typeof scan.kind);
    }));
  });

  test("PacketScan refuses any cut of a packet", () => {
    const bytes = encodePacket({ command: "chat.user.talk", sequence: 7, dest: "bob", body: Uint8Array.of(8, 1) });
    const scan = new PacketScan();
    for (let n = 0; n < bytes.length; n++) expect(scan.scan(bytes.slice(0, n), 0, n)).toBe(false);
  });
});

describe("FrameReader", () => {
  const cases: [Transport, (payload: Uint8Array) => Uint8Array][] = [
    ["tcp", (payload) => clientFrame("tcp", OPCODE.BINARY, payload, new Uint8Array(4))],
    ["ws", (payload) => serverFrame(payload)],
  ];
  test.each(cases)("gives the same %s frames for any cut of the stream", (transport, frame) => {
    const payloads = fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 5 });
    fc.assert(fc.property(payloads, fc.array(fc.nat(900), { maxLength: 8 }), (sent, cuts) => {
      const stream = Uint8Array.from(sent.flatMap((payload) => [...frame(payload)]));
      const got: string[] = [];
      const reader = new FrameReader(transport, {
        frame: (opcode, bytes, start, end) => got.push(`${opcode} ${hex(bytes.subarray(start, end))}`),
      });
      const places = [...cuts.filter((at) => at < stream.length), 0, stream.length].sort((a, b) => a - b);
      for (let i = 1; i < places.length; i++) reader.push(stream.subarray(places[i - 1], places[i]));
      expect(got).toEqual(sent.map((payload) => `2 ${hex(payload)}`));
    }));
  });

  test.each([
    ["a masked frame", "82810000000041"],
    ["a fragment", "020141"],
    ["a reserved bit", "c20141"],
    ["an endless frame", "827f00000001000000004141"],
  ])("refuses %s from a WebSocket server", (_what, bytes) => {
    expect(() => new FrameReader("ws", { frame() {} }).push(bytesOf(bytes))).toThrow("Server");
  });
});

describe("TalkTemplate", () => {
  const conns = (["ws", "tcp"] as const).map((transport) =>
    ({ transport, maskKey: Uint8Array.of(0x12, 0xf0, 0x80, 0xff) }) as unknown as WireConn
  );
  test("every stamped frame is a talk whose stamp reads back", () => {
    const stamp = new Stamp();
    const push = new PushScan();
    const inputs = fc.record({
      conn: fc.constantFrom(...conns),
      sender: fc.nat((1 << 24) - 1),
      bodyBytes: fc.integer({ min: MIN_BODY, max: 300 }),
      sequence: fc.nat(SEQUENCE.COUNT - 1).map((n) => n + SEQUENCE.FIRST),
      counter: fc.nat(0x7fffffff).map((n) => n * 16),
      timeUs: fc.maxSafeNat().map((n) => n % 2 ** 47),
    });
    fc.assert(fc.property(inputs, ({ conn, sender, bodyBytes, sequence, counter, timeUs }) => {
      const template = new TalkTemplate(conn, "receiver-1", sender, bodyBytes);
      const out = new Uint8Array(template.size + 7);
      expect(template.write(out, 7, sequence, counter, timeUs)).toBe(out.length);
      const packet = decodePacket(unframed(conn.transport, out.subarray(7)))!;
      expect(packet).toMatchObject({ command: "chat.user.talk", flag: FLAG.REQUEST, sequence, dest: "receiver-1" });
      const text = new TextEncoder().encode(new Message(packet.body).text(2));
      expect(text.length).toBe(bodyBytes);
      const pushed = new MessageWriter().int(1, 9007199254740993n).int(2, 1).bytes(3, text).text(5, "s").done();
      expect(push.scan(pushed, 0, pushed.length)).toBe(true);
      expect(stamp.read(pushed, push.textStart, push.textEnd)).toBe(true);
      expect(stamp).toMatchObject({ sender, counter, timeUs });
      expect(hex(pushed.subarray(push.idStart, push.idEnd))).toBe("8180808080808010");
    }));
  });
});

test("parseServerUrl takes ws and tcp addresses and nothing else", () => {
  expect(parseServerUrl("ws://127.0.0.1:8000/im?x=1"))
    .toMatchObject({ transport: "ws", host: "127.0.0.1", port: 8000, path: "/im?x=1" });
  expect(parseServerUrl("tcp://[::1]:8001")).toMatchObject({ transport: "tcp", host: "::1", port: 8001 });
  expect(parseServerUrl("ws://example.org")).toMatchObject({ port: 80, path: "/" });
  expect(parseServerUrl("wss://example.org/x")).toMatchObject({ transport: "ws", tls: true, port: 443, path: "/x" });
  expect(parseServerUrl("tls://example.org:1")).toMatchObject({ transport: "tcp", tls: true, port: 1 });
  expect(() => parseServerUrl("https://example.org")).toThrow("expected ws://host:port/path");
});

function serverFrame(payload: Uint8Array): Uint8Array {
  const masked = clientFrame("ws", OPCODE.BINARY, payload, new Uint8Array(4));
  const head = masked.subarray(0, masked.length - payload.length - 4);
  head[1] = head[1]! & 127;
  return Uint8Array.from([...head, ...payload]);
}

function unframed(transport: Transport, frame: Uint8Array): Uint8Array {
  if (transport === "tcp") return frame.subarray(5);
  const start = (frame[1]! & 127) === 126 ? 8 : 6;
  const key = frame.subarray(start - 4, start);
  return frame.subarray(start).map((byte, i) => byte ^ key[i & 3]!);
}
