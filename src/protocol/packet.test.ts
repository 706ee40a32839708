import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ImError } from "../base/errors.ts";
import { FLAG, makeHeader } from "./header.ts";
import { LIMITS } from "./limits.ts";
import { textMeta } from "./meta.ts";
import { BASIC, decodePacket, encodeBasic, encodeLogic, NO_BODY, PING, PONG, restamp } from "./packet.ts";

const talk = encodeLogic(makeHeader("chat.user.talk", { sequence: 3, dest: "bob" }), Uint8Array.of(1, 2, 3));

describe("packet", () => {
  test("the body is a view into the bytes it was read from", () => {
    const packet = decodePacket(talk, LIMITS.client);
    expect(packet.body.buffer).toBe(talk.buffer);
    expect(packet.body).toEqual(Uint8Array.of(1, 2, 3));
  });

  test("PING and PONG are the heartbeats without body", () => {
    expect(PING.toHex()).toBe("c315a76500010000");
    expect(PONG.toHex()).toBe("c315a76500020000");
    expect(decodePacket(PONG, LIMITS.client)).toEqual({ kind: "basic", code: BASIC.PONG, body: NO_BODY });
  });

  test("bytes after the packet are ignored", () => {
    for (const bytes of [talk, encodeBasic(7, Uint8Array.of(9))]) {
      expect(decodePacket(Uint8Array.of(...bytes, 0xff, 0xff), LIMITS.client)).toEqual(
        decodePacket(bytes, LIMITS.client),
      );
    }
  });

  test("every cut of a packet is PACKET_TRUNCATED", () => {
    for (const bytes of [talk, encodeBasic(1, Uint8Array.of(1, 2))]) {
      for (let length = 0; length < bytes.length; length++) {
        expect(codeOf(() => decodePacket(bytes.subarray(0, length), LIMITS.client))).toBe("PACKET_TRUNCATED");
      }
    }
  });

  test.each<[string, string, string]>([
    ["unknown magic", "c311a36600000000 00000000", "BAD_MAGIC"],
    ["header over the limit, not one byte of it there", "c311a36500001001", "HEADER_TOO_LARGE"],
    ["header of 4 GiB", "c311a365ffffffff 00000000", "HEADER_TOO_LARGE"],
    ["body of 4 GiB", "c311a36500000000 ffffffff", "PACKET_TRUNCATED"],
    ["header that is not protobuf", "c311a36500000001 ff 00000000", "HEADER_INVALID"],
  ])("%s, hex %s: %s", (_, hex, code) => {
    expect(codeOf(() => decodePacket(Uint8Array.fromHex(hex.replaceAll(" ", "")), LIMITS.client))).toBe(code);
  });

  test("metas are counted against the limit", () => {
    const metas = Array.from({ length: 33 }, (_, i) => textMeta("k", String(i)));
    const bytes = encodeLogic(makeHeader("a", { meta: metas }), NO_BODY);
    expect(codeOf(() => decodePacket(bytes, LIMITS.client))).toBe("HEADER_INVALID");
    expect(decodePacket(bytes, LIMITS.link).kind).toBe("logic");
  });

  test("restamp changes the header and keeps the body, also one that is no protobuf", () => {
    const patch = { channelId: "g_ann_1", flag: FLAG.PUSH, meta: [textMeta("app", "kim")] };
    expect(decodePacket(restamp(talk, patch), LIMITS.link)).toEqual({
      kind: "logic",
      header: makeHeader("chat.user.talk", { sequence: 3, dest: "bob", ...patch }),
      body: Uint8Array.of(1, 2, 3),
    });
    expect(codeOf(() => restamp(PING, patch))).toBe("BAD_MAGIC");
  });

  test("a basic packet refuses a body that its length cannot say", () => {
    expect(encodeBasic(1, new Uint8Array(0xffff)).length).toBe(8 + 0xffff);
    expect(codeOf(() => encodeBasic(1, new Uint8Array(0x10000)))).toBe("BODY_INVALID");
  });

  test("a packet comes back as it was, wherever it lies in a larger buffer", () => {
    const word = fc.string({ unit: "binary", maxLength: 20 });
    const header = fc.record({
      channelId: word,
      sequence: fc.integer({ min: 0, max: 0xffffffff }),
      flag: fc.nat(2),
      dest: word,
    });
    fc.assert(fc.property(word, header, fc.uint8Array({ maxLength: 300 }), fc.nat(9), (command, rest, body, before) => {
      const made = makeHeader(command, rest);
      const bytes = encodeLogic(made, body);
      const around = new Uint8Array(before + bytes.length + 5);
      around.set(bytes, before);
      expect(decodePacket(around.subarray(before), LIMITS.link)).toEqual({ kind: "logic", header: made, body });
    }));
  });

  test("random bytes are read or refused with an ImError, never anything else", () => {
    const magic = fc.constantFrom([], [0xc3, 0x11, 0xa3, 0x65], [0xc3, 0x15, 0xa7, 0x65], [
      0xc3,
      0x11,
      0xa3,
      0x65,
      0,
      0,
      0,
    ]);
    fc.assert(
      fc.property(magic, fc.uint8Array({ maxLength: 60 }), (start, rest) => {
        codeOf(() => decodePacket(Uint8Array.of(...start, ...rest), LIMITS.client));
      }),
      { numRuns: 1_000 },
    );
  });
});

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof ImError) return thrown.code;
    throw thrown;
  }
  return undefined;
}
