import { describe, expect, test } from "bun:test";
import { CLOSE } from "../../src/protocol/close_reason.ts";
import { encodeFrame, OPCODE } from "../../src/protocol/frame.ts";
import { wsFrame } from "../../src/protocol/ws_frame.ts";
import { Bench, bytes, closeIn, framesIn, hex, join, MASK, text, until, type Wiring } from "./listen_support.ts";

/** What only TCP frames promise (proto/WIRE.md "TCP frame"). */
export function tcpContract(wiring: Wiring): void {
  describe(wiring.name, () => {
    test("every opcode but close, ping and pong is data, as in the reference", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      for (const opcode of [0x77, OPCODE.TEXT, OPCODE.CONTINUATION, 0xff]) {
        raw.write(encodeFrame(opcode, bytes(`${opcode}`)));
      }
      await until(() => server.packets.length === 4, "four packets");
      expect(server.packets.map(text)).toEqual(["119", "1", "0", "255"]);
    });

    test("a length of 4 GiB is refused from its head alone", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.write(new Uint8Array([2, 0xff, 0xff, 0xff, 0xff]));
      await until(() => raw.ended || raw.closed, "the end of the stream");
      raw.end();
      await until(() => server.closes.length === 1, "the close");
      expect(server.closes).toEqual([CLOSE.TOO_LARGE]);
      expect(hex(raw.received)).toBe(hex(encodeFrame(OPCODE.CLOSE, bytes(CLOSE.TOO_LARGE.reason))));
    });

    test("a close frame's text names the reason, any text is kept", async () => {
      await using bench = await Bench.start(wiring);
      for (const [reason, expected] of [["kicked", CLOSE.KICKED], ["channelId is repeated", undefined]] as const) {
        const { raw, server } = await bench.joinRaw();
        raw.write(encodeFrame(OPCODE.CLOSE, bytes(reason)));
        await until(() => raw.ended || raw.closed, "the end of the stream");
        expect(hex(raw.received)).toBe("0800000000");
        raw.end();
        await until(() => server.closes.length === 1, "the close");
        expect(server.closes).toEqual([expected ?? { code: 1005, reason, reconnect: false }]);
      }
    });
  });
}

const masked = (opcode: number, payload: Uint8Array = new Uint8Array(0), fin = true) =>
  wsFrame(opcode, payload, MASK, fin);
const close = (code: number, rest: Uint8Array = new Uint8Array(0)) =>
  masked(OPCODE.CLOSE, join([new Uint8Array([code >> 8, code & 255]), rest]));
const reserved = (bit: number) => {
  const frame = masked(OPCODE.BINARY, bytes("x"));
  frame[0]! |= bit;
  return frame;
};
const BAD_UTF8 = new Uint8Array([0xc3, 0x28]);

/** What breaks RFC 6455, and the code that must answer it. */
const VIOLATIONS: readonly (readonly [string, number, Uint8Array])[] = [
  ["an unmasked frame (5.1)", 1002, wsFrame(OPCODE.BINARY, bytes("x"))],
  ["RSV1 (5.2)", 1002, reserved(0x40)],
  ["RSV2 (5.2)", 1002, reserved(0x20)],
  ["RSV3 (5.2)", 1002, reserved(0x10)],
  ["opcode 3 (5.2)", 1002, masked(3)],
  ["opcode 7 (5.2)", 1002, masked(7)],
  ["opcode 11 (5.2)", 1002, masked(11)],
  ["opcode 15 (5.2)", 1002, masked(15)],
  ["a fragmented ping (5.5)", 1002, masked(OPCODE.PING, bytes("x"), false)],
  ["a fragmented close (5.5)", 1002, masked(OPCODE.CLOSE, new Uint8Array([3, 0xe8]), false)],
  ["a ping of 126 bytes (5.5)", 1002, masked(OPCODE.PING, new Uint8Array(126))],
  ["a continuation of nothing (5.4)", 1002, masked(OPCODE.CONTINUATION, bytes("x"))],
  [
    "a new message inside a fragmented one (5.4)",
    1002,
    join([masked(OPCODE.BINARY, bytes("x"), false), masked(OPCODE.BINARY)]),
  ],
  ["text that is not UTF-8 (8.1)", 1007, masked(OPCODE.TEXT, BAD_UTF8)],
  [
    "fragmented text that is not UTF-8 (8.1)",
    1007,
    join([masked(OPCODE.TEXT, BAD_UTF8.subarray(0, 1), false), masked(OPCODE.CONTINUATION, BAD_UTF8.subarray(1))]),
  ],
  ["a close of one byte (5.5.1)", 1002, masked(OPCODE.CLOSE, new Uint8Array([3]))],
  ["close code 999 (7.4)", 1002, close(999)],
  ["close code 1004 (7.4)", 1002, close(1004)],
  ["close code 1005 (7.4)", 1002, close(1005)],
  ["close code 1006 (7.4)", 1002, close(1006)],
  ["close code 1015 (7.4)", 1002, close(1015)],
  ["close code 2999 (7.4)", 1002, close(2999)],
  ["close code 5000 (7.4)", 1002, close(5000)],
  ["a close reason that is not UTF-8 (5.5.1)", 1007, close(1000, BAD_UTF8)],
  ["a message over the limit (10.4)", 1009, masked(OPCODE.BINARY, new Uint8Array((64 << 10) + 1))],
  [
    "fragments over the limit together (10.4)",
    1009,
    join([masked(OPCODE.BINARY, new Uint8Array(40_000), false), masked(OPCODE.CONTINUATION, new Uint8Array(40_000))]),
  ],
  [
    "a length over 63 bits (5.2)",
    1009,
    new Uint8Array([0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4]),
  ],
];

/** RFC 6455 to the letter. */
export function wsContract(wiring: Wiring): void {
  describe(wiring.name, () => {
    test.each(VIOLATIONS)("%s is answered with close code %d, then the stream ends", async (_name, code, frame) => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.write(join([masked(OPCODE.BINARY, bytes("before")), frame, masked(OPCODE.BINARY, bytes("after"))]));
      await until(() => raw.ended || raw.closed, "the end of the stream");
      const codes = [code, ...(code === 1009 ? [1002] : [])]; // 64-bit lengths: either is right
      expect(codes).toContain(closeIn("ws", raw.received)?.code as number);
      raw.end();
      await until(() => server.closes.length === 1, "the close");
      expect(server.packets.map(text)).toEqual(["before"]);
      expect([1002, 1007, 1009]).toContain(server.closes[0]!.code);
      expect([server.closes.length, server.late, bench.log.errors.length]).toEqual([1, 0, 0]);
    });

    test("fragments become one packet, control frames between them are answered at once", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.write(join([
        masked(OPCODE.BINARY, bytes("one "), false),
        masked(OPCODE.PING, bytes("between")),
        masked(OPCODE.CONTINUATION, bytes("whole "), false),
        masked(OPCODE.CONTINUATION, new Uint8Array(0), false),
        masked(OPCODE.CONTINUATION, bytes("packet")),
      ]));
      await until(() => server.packets.length === 1, "the packet");
      expect(text(server.packets[0]!)).toBe("one whole packet");
      await until(() => framesIn("ws", raw.received).length === 1, "the pong");
    });

    test("a text message is a packet too", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.write(masked(OPCODE.TEXT, bytes("grüße 😀")));
      await until(() => server.packets.length === 1, "the packet");
      expect(text(server.packets[0]!)).toBe("grüße 😀");
    });

    test.each([1000, 1001, 1011, 3000, 4001, 4999])("close code %d is heard and echoed", async (code) => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.write(close(code, bytes("why")));
      await until(() => raw.ended || raw.closed, "the end of the stream");
      expect(closeIn("ws", raw.received)?.code).toBe(code);
      raw.end();
      await until(() => server.closes.length === 1, "the close");
      expect(server.closes[0]).toMatchObject({ code, reason: "why", reconnect: [1001, 1011, 4001].includes(code) });
    });

    test("every packet leaves in one unmasked, final, binary frame", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      server.conn.send([bytes("a"), new Uint8Array(200), new Uint8Array(70_000)]);
      const size = 2 + 1 + 4 + 200 + 10 + 70_000;
      await until(() => raw.receivedBytes >= size, "three frames");
      expect(raw.receivedBytes).toBe(size);
      expect(hex(raw.received.subarray(0, 7))).toBe("82016182" + "7e00c8");
      expect(hex(raw.received.subarray(207, 217))).toBe("827f0000000000011170");
    });
  });
}
