import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodePlain, encodePlain, enumOf, type Plain } from "../../tests/vectors/reflect.ts";
import { ImError } from "../base/errors.ts";
import { FLAG, type Header, headerSize, makeHeader, META_TYPE, NO_META, readHeader, writeHeader } from "./header.ts";

const METAS = 256;

function write(header: Header): Uint8Array {
  const out = new Uint8Array(headerSize(header));
  expect(writeHeader(header, out, 0)).toBe(out.length);
  return out;
}

function read(bytes: Uint8Array): Header {
  return readHeader(bytes, 0, bytes.length, METAS);
}

function hex(text: string): Uint8Array {
  return Uint8Array.fromHex(text.replaceAll(" ", ""));
}

describe("header", () => {
  test("the numbers of FLAG and META_TYPE are those of proto/common.proto", () => {
    expect(Object.values(FLAG) as number[]).toEqual(Object.values(enumOf("Flag")));
    expect(Object.values(META_TYPE) as number[]).toEqual(Object.values(enumOf("MetaType")));
  });

  test("a header without metas shares one list that cannot be changed", () => {
    expect(read(hex("1801")).meta).toBe(NO_META);
    expect(makeHeader("a").meta).toBe(NO_META);
    expect(() => (NO_META as Header["meta"][number][]).push({ key: "", value: "", type: 0 })).toThrow();
  });

  test.each<[string, string, Partial<Header>]>([
    ["the last of a repeated scalar wins", "0a0161 0a0162 1801 1802 3201 78 3200", {
      command: "b",
      sequence: 2,
      dest: "",
    }],
    ["unknown fields of all wire types are skipped", "f80601 f906 0102030405060708 fa06026162 fd06 01020304 1803", {
      sequence: 3,
    }],
    ["a known field of another wire type is skipped", "08011a02ffff1805", { sequence: 5 }],
    ["an uint32 of ten bytes is cut to 32 bits", "18 feffffffffffffffff01", { sequence: 4294967294 }],
    ["an enum of ten bytes is cut to 32 bits, signed", "20 feffffffffffffffff01 28 ffffffffffffffffff01", {
      flag: -2,
      status: -1,
    }],
    ["a tag may be longer than it must", "8a80000161 98000a", { command: "a", sequence: 10 }],
    ["a length may be longer than it must", "0a81800061", { command: "a" }],
    ["a byte order mark is kept", "0a03efbbbf", { command: "\ufeff" }],
    ["an empty meta is a meta", "3a00", { meta: [{ key: "", value: "", type: 0 }] }],
    ["a meta may have unknown fields", "3a0c 0a016b 1a0178 18ffff03 2001", {
      meta: [{ key: "k", value: "", type: 65535 }],
    }],
  ])("%s", (_, bytes, expected) => {
    const header = { ...makeHeader(""), ...expected };
    expect(read(hex(bytes))).toEqual(header);
    expect(decodePlain("Header", hex(bytes))).toEqual({ ...header });
  });

  test.each<[string, string]>([
    ["it ends inside a text", "0a0561"],
    ["it ends inside a number", "18ff"],
    ["it ends inside a tag", "98"],
    ["it ends inside a length", "0aff"],
    ["it ends inside a skipped field", "f906 01020304050607"],
    ["number of eleven bytes", "18ffffffffffffffffffff01"],
    ["length over 31 bits", "0affffffff08"],
    ["tag over 32 bits", "98ffffff10 00"],
    ["field number 0", "0000"],
    ["wire type 6", "0e00"],
    ["wire type 7", "0f00"],
    ["end of no group", "0c"],
    ["text is not UTF-8", "0a02c328"],
    ["text with a surrogate", "0a03eda080"],
    ["text longer than a word, not UTF-8", "322c" + "61".repeat(43) + "ff"],
    ["a meta that ends inside its value", "3a04 1205 6162"],
    ["a meta longer than the header", "3a10 0a0161"],
  ])("%s: HEADER_INVALID, and protobufjs throws too", (_, bytes) => {
    expect(refusal(hex(bytes))?.code).toBe("HEADER_INVALID");
    expect(() => decodePlain("Header", hex(bytes))).toThrow();
  });

  test("groups are refused", () => {
    expect(refusal(hex("0b 0c"))?.message).toContain("wire type 3");
  });

  test("more metas than allowed are refused", () => {
    const bytes = hex("3a00".repeat(3));
    expect(readHeader(bytes, 0, bytes.length, 3).meta.length).toBe(3);
    expect(refusal(bytes, 2)?.code).toBe("HEADER_INVALID");
  });

  test("lone surrogates are written as U+FFFD", () => {
    for (const text of ["\ud800", "a\udc00b", "x".repeat(50) + "\ud83d"]) {
      expect(read(write(makeHeader(text))).command).toBe(text.toWellFormed());
    }
  });

  test("bytes around the header are not touched", () => {
    const header = makeHeader("chat.user.talk", { dest: "bob", sequence: 300 });
    const out = new Uint8Array(headerSize(header) + 20).fill(0xee);
    const end = writeHeader(header, out, 10);
    expect([...out.subarray(0, 10), ...out.subarray(end)].every((byte) => byte === 0xee)).toBe(true);
    expect(readHeader(out, 10, end, 0)).toEqual(header);
  });
});

const text = fc.oneof(
  fc.string({ unit: "grapheme-ascii", maxLength: 60 }),
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.constantFrom("chat.user.talk", "login.signin", "dest.channels", "app", "x".repeat(130), "é".repeat(64)),
);
const int32 = fc.oneof(fc.integer({ min: 0, max: 500 }), fc.integer());
const meta = fc.record({ key: text, value: text, type: int32 });
const anyHeader = fc.record({
  command: text,
  channelId: text,
  sequence: fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 0xffffffff })),
  flag: int32,
  status: int32,
  dest: text,
  meta: fc.array(meta, { maxLength: 6 }),
});

describe("header against protobufjs", () => {
  test("writes the same bytes and reads them back", () => {
    fc.assert(
      fc.property(anyHeader, (header) => {
        const bytes = write(header);
        expect(bytes.toHex()).toBe(encodePlain("Header", { ...header }).toHex());
        expect(read(bytes)).toEqual(header);
      }),
      { numRuns: 300 },
    );
  });

  test("reads bytes that are no header in the same way, or refuses them too", () => {
    fc.assert(fc.property(nearlyHeader, (bytes) => agrees(bytes)), { numRuns: 2_000 });
  });

  test("reads random bytes in the same way, or refuses them too", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => agrees(bytes)), { numRuns: 1_000 });
  });
});

// Pieces of the wire format, right and wrong: tags of any field and type, long varints, lengths that do not fit.
const varint = fc.oneof(
  fc.nat(200).map((n) => encodeVarint(BigInt(n), 0)),
  fc.tuple(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.nat(3)).map(([n, extra]) => encodeVarint(n, extra)),
  fc.uint8Array({ minLength: 1, maxLength: 12 }).map((bytes) =>
    bytes.map((b, i) => i < bytes.length - 1 ? b | 128 : b & 127)
  ),
);
const tag = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(0x0a, 0x12, 0x18, 0x20, 0x28, 0x32, 0x3a).map((n) => encodeVarint(BigInt(n), 0)),
  },
  { weight: 2, arbitrary: fc.tuple(fc.nat(80), fc.nat(3)).map(([n, extra]) => encodeVarint(BigInt(n), extra)) },
  { weight: 1, arbitrary: varint },
);
const content = fc.oneof(
  fc.string({ unit: "binary", maxLength: 30 }).map((s) => new TextEncoder().encode(s)),
  fc.uint8Array({ maxLength: 12 }),
);
const block = fc.tuple(content, fc.constantFrom(0, 0, 0, 0, 0, 0, -2, -1, 1, 2), fc.nat(2)).map(([bytes, off, extra]) =>
  Uint8Array.of(...encodeVarint(BigInt(Math.max(0, bytes.length + off)), extra), ...bytes)
);
const piece = fc.tuple(tag, fc.oneof(varint, block, block, fc.uint8Array({ maxLength: 9 }))).map(([a, b]) =>
  Uint8Array.of(...a, ...b)
);
const nearlyHeader = fc.oneof(
  fc.array(piece, { maxLength: 6 }).map((parts) => Uint8Array.from(parts.flatMap((part) => [...part]))),
  fc.array(piece, { maxLength: 4 }).map((parts) => {
    const inside = parts.flatMap((part) => [...part]);
    return Uint8Array.of(0x3a, ...encodeVarint(BigInt(inside.length), 0), ...inside);
  }),
  fc.tuple(anyHeader, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 3 })).map(([header, changes]) => {
    const bytes = encodePlain("Header", { ...header });
    for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
    return bytes;
  }),
);

function encodeVarint(value: bigint, extra: number): number[] {
  const out: number[] = [];
  do {
    out.push(Number(value & 127n) | 128);
    value >>= 7n;
  } while (value > 0n);
  for (let i = 0; i < extra; i++) out.push(128);
  out[out.length - 1]! &= 127;
  return out;
}

function agrees(bytes: Uint8Array): void {
  let plain: Plain | undefined;
  try {
    plain = decodePlain("Header", bytes);
  } catch {
    plain = undefined; // any complaint of protobufjs: ours must complain too
  }
  // Somewhere inside a larger array, so that reading past either end would be seen.
  const around = new Uint8Array(bytes.length + 14).fill(0x0a);
  around.set(bytes, 7);
  try {
    const header = readHeader(around, 7, 7 + bytes.length, METAS);
    expect(header as unknown as Plain).toEqual(plain!);
  } catch (thrown) {
    if (!(thrown instanceof ImError)) throw thrown;
    expect(thrown.code).toBe("HEADER_INVALID");
    if (!thrown.message.endsWith("wire type 3")) expect(plain).toBe(undefined);
  }
}

function refusal(bytes: Uint8Array, metas = METAS): ImError | undefined {
  try {
    readHeader(bytes, 0, bytes.length, metas);
  } catch (thrown) {
    if (thrown instanceof ImError) return thrown;
    throw thrown;
  }
  return undefined;
}
