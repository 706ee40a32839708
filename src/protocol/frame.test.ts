import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ImError } from "../base/errors.ts";
import { watchArrays } from "../../tests/vectors/watch_arrays.ts";
import { encodeFrame, encodeFrames, FrameDecoder, frameInto, OPCODE } from "./frame.ts";

type Seen = [opcode: number, payload: string][];

/** Feeds the pieces one after the other and copies what is told. */
function decode(pieces: readonly Uint8Array[], maxBytes = 1 << 20): Seen {
  const seen: Seen = [];
  const decoder = new FrameDecoder(maxBytes);
  for (const piece of pieces) decoder.push(piece, (opcode, payload) => seen.push([opcode, payload.toHex()]));
  return seen;
}

function hex(text: string): Uint8Array {
  return Uint8Array.fromHex(text.replaceAll(" ", ""));
}

const anyFrames = fc.array(
  fc.tuple(fc.nat(255), fc.oneof(fc.uint8Array({ maxLength: 12 }), fc.uint8Array({ maxLength: 400 }))),
  { maxLength: 8 },
);

describe("FrameDecoder", () => {
  test.each<[string, string, Seen]>([
    ["two frames in one read", "0200000001 61 0900000000", [[2, "61"], [9, ""]]],
    ["an unknown opcode is a frame like any other", "7700000002 6162", [[0x77, "6162"]]],
    ["half a frame tells nothing", "0200000003 6162", []],
  ])("%s", (_, bytes, frames) => {
    expect(decode([hex(bytes)])).toEqual(frames);
  });

  test("any cut of the stream gives the same frames", () => {
    fc.assert(
      fc.property(anyFrames, fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 }), (frames, cuts) => {
        const stream = Uint8Array.from(frames.flatMap(([opcode, payload]) => [...encodeFrame(opcode, payload)]));
        const expected = frames.map(([opcode, payload]): [number, string] => [opcode, payload.toHex()]);
        expect(decode(split(stream, cuts))).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  test("one byte at a time gives the same frames", () => {
    const stream = encodeFrames([new Uint8Array(300).fill(7), new Uint8Array(0), Uint8Array.of(1)]);
    expect(decode([...stream].map((byte) => Uint8Array.of(byte)))).toEqual([[2, "07".repeat(300)], [2, ""], [2, "01"]]);
  });

  test("a payload within one read is a view, one in pieces is not", () => {
    const frame = encodeFrame(2, Uint8Array.of(1, 2, 3, 4));
    const decoder = new FrameDecoder(100);
    decoder.push(frame, (_, payload) => expect(payload.buffer).toBe(frame.buffer));
    decoder.push(frame.subarray(0, 6), () => {});
    decoder.push(frame.subarray(6), (_, payload) => {
      expect(payload.buffer).not.toBe(frame.buffer);
      expect(payload).toEqual(Uint8Array.of(1, 2, 3, 4));
    });
  });

  test.each(["0200000065", "02ffffffff", "09000000ff"])(
    "refuses %s, a length over the limit, before its payload comes",
    (bytes) => {
      for (const pieces of [[hex(bytes)], [...hex(bytes)].map((byte) => Uint8Array.of(byte))]) {
        expect(() => decode(pieces, 100)).toThrow(ImError);
      }
    },
  );

  test("room is made as bytes come, not from the length", () => {
    const decoder = new FrameDecoder(1 << 30);
    expect(watchArrays(() => decoder.push(hex("023fffffff 00"), () => {})).largest).toBeLessThan(1_000);
    expect(watchArrays(() => decoder.push(new Uint8Array(5_000), () => {})).largest).toBeLessThan(11_000);
  });

  test("the limit may be changed by what a frame brings", () => {
    const seen: number[] = [];
    const decoder = new FrameDecoder(2);
    decoder.push(encodeFrames([Uint8Array.of(1), Uint8Array.of(1, 2, 3)]), (_, payload) => {
      seen.push(payload.length);
      decoder.limit(3);
    });
    expect(seen).toEqual([1, 3]);
    expect(() => decoder.push(encodeFrames([Uint8Array.of(1), Uint8Array.of(1, 2, 3)]), () => decoder.limit(2)))
      .toThrow("limit is 2");
  });

  test("a frame that has begun is not hurt by a lower limit", () => {
    const seen: number[] = [];
    const frame = encodeFrame(2, new Uint8Array(10));
    const decoder = new FrameDecoder(10);
    decoder.push(frame.subarray(0, 8), () => {});
    decoder.limit(1);
    decoder.push(frame.subarray(8), (_, payload) => seen.push(payload.length));
    expect(seen).toEqual([10]);
  });

  test("an error of the listener comes through, and the decoder goes on behind that frame", () => {
    const seen: number[] = [];
    const decoder = new FrameDecoder(10);
    const frame = encodeFrame(2, Uint8Array.of(1, 2));
    decoder.push(frame.subarray(0, 6), () => {});
    expect(() =>
      decoder.push(frame.subarray(6), () => {
        throw new Error("mine");
      })
    ).toThrow("mine");
    decoder.push(frame, (_, payload) => seen.push(payload.length));
    expect(seen).toEqual([2]);
  });
});

describe("writing frames", () => {
  test("frameInto gives the position behind the frame and touches nothing else", () => {
    const out = new Uint8Array(20).fill(0xee);
    expect(frameInto(OPCODE.PING, Uint8Array.of(1, 2), out, 3)).toBe(10);
    expect(out.toHex()).toBe("eeeeee" + "09000000020102" + "ee".repeat(10));
  });

  test("encodeFrames is the frames one behind the other", () => {
    const packets = [Uint8Array.of(1), new Uint8Array(70_000), new Uint8Array(0)];
    expect(encodeFrames(packets).toHex()).toBe(packets.map((one) => encodeFrame(OPCODE.BINARY, one).toHex()).join(""));
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
