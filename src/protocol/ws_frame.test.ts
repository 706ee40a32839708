import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { watchArrays } from "../../tests/vectors/watch_arrays.ts";
import { CLOSE } from "./close_reason.ts";
import { wsClosePayload, WsDecoder, WsError, type WsEvents, wsFrame, wsFrames } from "./ws_frame.ts";

type Role = "server" | "client";
type Seen = (string | number)[][];

const KEY = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);

/** Feeds copies of the pieces; what is told, and at the end the close code of the error, if any. */
function decode(role: Role, pieces: readonly Uint8Array[], maxBytes = 1 << 20): Seen {
  const seen: Seen = [];
  const decoder = new WsDecoder(role, maxBytes);
  try {
    for (const piece of pieces) decoder.push(piece.slice(), recorder(seen));
  } catch (thrown) {
    if (!(thrown instanceof WsError)) throw thrown;
    seen.push(["error", thrown.close.code]);
  }
  return seen;
}

function recorder(seen: Seen): WsEvents {
  return {
    message: (opcode, payload) => seen.push(["message", opcode, payload.toHex()]),
    ping: (payload) => seen.push(["ping", payload.toHex()]),
    pong: (payload) => seen.push(["pong", payload.toHex()]),
    close: (code, reason) => seen.push(["close", code, reason]),
  };
}

function bytes(hex: string): Uint8Array {
  return Uint8Array.fromHex(hex.replaceAll(" ", ""));
}

// Unmasked streams as a client reads them; sections of RFC 6455 in brackets.
const ROWS: { name: string; hex: string; seen: Seen }[] = [
  { name: "a single text frame [5.7]", hex: "8105 48656c6c6f", seen: [["message", 1, "48656c6c6f"]] },
  { name: "a fragmented text message [5.7]", hex: "0103 48656c 8002 6c6f", seen: [["message", 1, "48656c6c6f"]] },
  {
    name: "control frames between fragments [5.4]",
    hex: "0201 01 8901 aa 0001 02 8a00 8001 03",
    seen: [["ping", "aa"], ["pong", ""], ["message", 2, "010203"]],
  },
  { name: "empty fragments", hex: "0200 0000 0001 07 8000", seen: [["message", 2, "07"]] },
  { name: "an empty message", hex: "8200 8000", seen: [["message", 2, ""], ["error", 1002]] },
  {
    name: "a length that is not minimal is taken",
    hex: "827e0001 61 827f0000000000000001 62",
    seen: [["message", 2, "61"], ["message", 2, "62"]],
  },
  { name: "a character cut in two by fragments", hex: "0101 c3 8001 a9", seen: [["message", 1, "c3a9"]] },
  { name: "close without code", hex: "8800", seen: [["close", 1005, ""]] },
  { name: "close with code and reason", hex: "8805 03e8 627965", seen: [["close", 1000, "bye"]] },
  { name: "nothing is read after close", hex: "8802 0fa1 8201 61 ffff", seen: [["close", 4001, ""]] },
  { name: "RSV1", hex: "c200", seen: [["error", 1002]] },
  { name: "RSV2", hex: "a200", seen: [["error", 1002]] },
  { name: "RSV3", hex: "9200", seen: [["error", 1002]] },
  { name: "unknown data opcode", hex: "8300", seen: [["error", 1002]] },
  { name: "unknown control opcode", hex: "8b00", seen: [["error", 1002]] },
  { name: "masked frame from a server", hex: "8280 00000000", seen: [["error", 1002]] },
  { name: "fragmented control frame", hex: "0900", seen: [["error", 1002]] },
  { name: "control frame of 126 bytes, before they come", hex: "897e", seen: [["error", 1002]] },
  { name: "close of 126 bytes", hex: "887e007e", seen: [["error", 1002]] },
  { name: "continuation of nothing", hex: "8001 61", seen: [["error", 1002]] },
  { name: "continuation after a finished message", hex: "0200 8000 8000", seen: [["message", 2, ""], ["error", 1002]] },
  { name: "new message inside a fragmented one", hex: "0201 61 8201 62", seen: [["error", 1002]] },
  { name: "close of one byte", hex: "8801 03", seen: [["error", 1002]] },
  ...["0000", "03e7", "03ec", "03ed", "03ee", "03f7", "07d0", "0bb7", "1388", "ffff"].map((code) => ({
    name: `close code ${parseInt(code, 16)}`,
    hex: `8802 ${code}`,
    seen: [["error", 1002]],
  })),
  ...["03e9", "03eb", "03ef", "03f4", "0bb8", "1387"].map((code) => ({
    name: `close code ${parseInt(code, 16)}`,
    hex: `8802 ${code}`,
    seen: [["close", parseInt(code, 16), ""]],
  })),
  { name: "close reason that is not UTF-8", hex: "8804 03e8 c328", seen: [["error", 1007]] },
  { name: "text that is not UTF-8", hex: "8102 c328", seen: [["error", 1007]] },
  { name: "text with a surrogate", hex: "8103 eda080", seen: [["error", 1007]] },
  { name: "text that ends inside a character, in fragments", hex: "0101 61 8001 c3", seen: [["error", 1007]] },
  { name: "binary that is not UTF-8", hex: "8202 c328", seen: [["message", 2, "c328"]] },
  { name: "length over 63 bits", hex: "827f8000000000000000", seen: [["error", 1002]] },
];

describe("WsDecoder", () => {
  for (const { name, hex, seen } of ROWS) {
    test(`${name}: in one piece and byte by byte`, () => {
      expect(decode("client", [bytes(hex)])).toEqual(seen);
      expect(decode("client", [...bytes(hex)].map((byte) => Uint8Array.of(byte)))).toEqual(seen);
    });
  }

  test("a server refuses frames that are not masked", () => {
    expect(decode("server", [bytes("8201 61")])).toEqual([["error", 1002]]);
    expect(decode("server", [bytes("8900")])).toEqual([["error", 1002]]);
  });

  test("a masked text frame [5.7]", () => {
    expect(decode("server", [bytes("8185 37fa213d 7f9f4d5158")])).toEqual([["message", 1, "48656c6c6f"]]);
  });

  test.each(["827e0065", "827f00000000ffffffff", "827f7fffffffffffffff"])(
    "%s is over the limit, before its payload comes",
    (hex) => {
      expect(decode("client", [bytes(hex)], 100)).toEqual([["error", 1009]]);
    },
  );

  test("the limit counts all fragments of a message, and starts over with the next", () => {
    const fragments = [wsFrame(2, new Uint8Array(60), undefined, false), wsFrame(0, new Uint8Array(40))];
    const whole = ["message", 2, "00".repeat(100)];
    expect(decode("client", [...fragments, ...fragments], 100)).toEqual([whole, whole]);
    expect(decode("client", [fragments[0]!, wsFrame(0, new Uint8Array(41))], 100)).toEqual([["error", 1009]]);
  });

  test("room is made as bytes come, not from the length", () => {
    const decoder = new WsDecoder("client", 1 << 30);
    expect(watchArrays(() => decoder.push(bytes("827f000000003fffffff 00"), recorder([]))).largest).toBeLessThan(1_000);
    expect(watchArrays(() => decoder.push(new Uint8Array(5_000), recorder([]))).largest).toBeLessThan(11_000);
  });

  test("a message of very many fragments is not copied with each of them", () => {
    const fragments = Array.from(
      { length: 3_000 },
      (_, i) => wsFrame(i === 0 ? 2 : 0, Uint8Array.of(i), undefined, false),
    );
    const decoder = new WsDecoder("client", 1 << 20);
    const feed = () => fragments.forEach((fragment) => decoder.push(fragment, recorder([])));
    expect(watchArrays(feed).count).toBeLessThan(20);
  });

  test("control frames do not count for the limit", () => {
    expect(decode("client", [wsFrame(9, new Uint8Array(100))], 10)).toEqual([["ping", "00".repeat(100)]]);
  });

  test("the limit may be changed by what a message brings", () => {
    const seen: Seen = [];
    const decoder = new WsDecoder("client", 1);
    decoder.push(wsFrames([Uint8Array.of(1), Uint8Array.of(1, 2)]), {
      ...recorder(seen),
      message: () => decoder.limit(2),
    });
    expect(() => decoder.push(wsFrame(2, new Uint8Array(3)), recorder(seen))).toThrow("limit is 2");
  });

  test("a message in one piece is told from the bytes that came", () => {
    const frame = wsFrame(2, Uint8Array.of(1, 2, 3), KEY);
    new WsDecoder("server", 100).push(frame, {
      ...recorder([]),
      message: (_, payload) => expect(payload.buffer).toBe(frame.buffer),
    });
  });

  test("any cut of any stream gives the same events, masked or not", () => {
    fc.assert(
      fc.property(
        anyStream,
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 60 }),
        (items, masked, cuts) => {
          const seen: Seen = [];
          const parts: number[] = [];
          for (const [index, item] of items.entries()) {
            const key = masked ? Uint8Array.of(index, 0xf0 ^ index, 0x0f, 0xa5) : undefined;
            if (item.kind === "message") {
              const pieces = split(item.payload, item.cuts);
              pieces.forEach((piece, i) => {
                parts.push(...wsFrame(i === 0 ? 2 : 0, piece, key, i === pieces.length - 1));
                if (item.pings && i < pieces.length - 1) {
                  parts.push(...wsFrame(9, Uint8Array.of(i), key));
                  seen.push(["ping", Uint8Array.of(i).toHex()]);
                }
              });
              seen.push(["message", 2, item.payload.toHex()]);
            } else {
              parts.push(...wsFrame(item.kind === "ping" ? 9 : 10, item.payload, key));
              seen.push([item.kind, item.payload.toHex()]);
            }
          }
          const stream = Uint8Array.from(parts);
          expect(decode(masked ? "server" : "client", split(stream, cuts))).toEqual(seen);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("random bytes are told or refused with a WsError, the same in pieces", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 9 }),
        (stream, server, cuts) => {
          const role = server ? "server" : "client";
          expect(decode(role, split(stream, cuts), 500)).toEqual(decode(role, [stream], 500));
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

const anyStream = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant("message" as const),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 10 }),
        fc.uint8Array({ minLength: 90, maxLength: 300 }),
        fc.constant(new Uint8Array(66_000).fill(3)),
      ),
      cuts: fc.array(fc.integer({ min: 0, max: 100 }), { maxLength: 3 }),
      pings: fc.boolean(),
    }),
    fc.record({ kind: fc.constantFrom("ping" as const, "pong" as const), payload: fc.uint8Array({ maxLength: 125 }) }),
  ),
  { maxLength: 5 },
);

describe("writing WebSocket frames", () => {
  test.each([0, 1, 125, 126, 65_535, 65_536])(
    "%d bytes take the shortest length, and the mask covers every byte",
    (length) => {
      const payload = Uint8Array.from({ length }, (_, i) => i * 7);
      const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
      expect(wsFrame(2, payload).length).toBe(head + length);
      const masked = wsFrame(2, payload, KEY);
      expect(masked.subarray(head, head + 4)).toEqual(KEY);
      expect(masked.subarray(head + 4)).toEqual(payload.map((byte, i) => byte ^ KEY[i & 3]!)); // the plain twin
      expect(decode("server", [masked])).toEqual([["message", 2, payload.toHex()]]);
    },
  );

  test("wsFrames is the frames one behind the other", () => {
    const packets = [Uint8Array.of(1), new Uint8Array(70_000), new Uint8Array(0)];
    expect(wsFrames(packets).toHex()).toBe(packets.map((one) => wsFrame(2, one).toHex()).join(""));
    expect(wsFrames(packets, () => KEY).toHex()).toBe(packets.map((one) => wsFrame(2, one, KEY).toHex()).join(""));
  });

  test("a packet that is masked stays as it was", () => {
    const packet = new Uint8Array(200).fill(5);
    wsFrame(2, packet, KEY);
    expect(packet.every((byte) => byte === 5)).toBe(true);
  });

  test("every reason of CLOSE that is sent can be read back", () => {
    for (const { code, reason } of Object.values(CLOSE)) {
      if (code === CLOSE.GONE.code) continue;
      expect(decode("client", [wsFrame(8, wsClosePayload(code, reason))])).toEqual([["close", code, reason]]);
    }
  });

  test("a long reason is cut at a character, 1005 is an empty close", () => {
    const payload = wsClosePayload(1000, "é".repeat(100));
    expect(decode("client", [wsFrame(8, payload)])).toEqual([["close", 1000, "é".repeat(61)]]);
    expect(wsClosePayload(1000, "😀".repeat(40)).length).toBe(2 + 4 * 30);
    expect(wsClosePayload(1005, "x").length).toBe(0);
  });
});

/** Cuts a stream into pieces of these sizes; the rest is the last piece. */
function split(stream: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) pieces.push(stream.subarray(at, at += size));
  pieces.push(stream.subarray(at));
  return pieces;
}
