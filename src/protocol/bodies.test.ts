import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { generate } from "../../scripts/gen_proto.ts";
import { anyMessage, generated, messageNames } from "../../tests/vectors/any_message.ts";
import { decodePlain, encodePlain, type Plain, typeOf } from "../../tests/vectors/reflect.ts";
import { readFileSync } from "node:fs";
import { ImError } from "../base/errors.ts";
import { decodeBody, EMPTY, encodeBody } from "./bodies.ts";
import { pkt } from "./gen/pkt.js";
import { NO_BODY } from "./packet.ts";

describe("bodies", () => {
  test("src/protocol/gen is what scripts/gen_proto.ts makes of proto/", () => {
    for (const [name, text] of generate()) {
      expect(readFileSync(new URL(`./gen/${name}`, import.meta.url), "utf8")).toBe(text);
    }
  });

  test.each(messageNames)("%s is written and read as protobufjs does", (name) => {
    fc.assert(
      fc.property(anyMessage(typeOf(name)), (message) => {
        const bytes = encodeBody(generated(name), message);
        expect(bytes.toHex()).toBe(encodePlain(name, message).toHex());
        expect(decodeBody(generated(name), bytes)).toEqual(decodePlain(name, bytes));
      }),
      { numRuns: 40 },
    );
  });

  test.each(messageNames)("%s: spoilt bytes are read as protobufjs does, or refused when it throws", (name) => {
    const spoilt = fc.tuple(
      anyMessage(typeOf(name)),
      fc.array(fc.tuple(fc.nat(500), fc.nat(255)), { maxLength: 4 }),
      fc.nat(3),
    );
    fc.assert(
      fc.property(spoilt, ([message, changes, cut]) => {
        const bytes = encodePlain(name, message);
        for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
        agrees(name, bytes.subarray(0, Math.max(0, bytes.length - cut)));
      }),
      { numRuns: 80 },
    );
  });

  test("64-bit fields are bigint at both ends of their range", () => {
    for (const id of [0n, 1n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
      const bytes = encodeBody(pkt.MessageResp, { messageId: id, sendTime: -id });
      expect(decodeBody(pkt.MessageResp, bytes).messageId).toBe(id);
      const list = encodeBody(pkt.MessageContentReq, { messageIds: [id, 5n] });
      expect(decodeBody(pkt.MessageContentReq, list).messageIds).toEqual([id, 5n]);
    }
  });

  test("a number in a 64-bit field is refused, not rounded", () => {
    expect(() => encodeBody(pkt.MessageResp, { messageId: 5 as unknown as bigint })).toThrow(TypeError);
  });

  test("defaults are not written, not even given ones", () => {
    expect(encodeBody(pkt.MessageResp, { messageId: 0n, sendTime: 0n, seq: 0 })).toBe(NO_BODY);
    expect(encodeBody(pkt.MessageContentReq, { messageIds: [] })).toBe(NO_BODY);
  });

  test("ids are read packed, unpacked and mixed", () => {
    const bytes = Uint8Array.fromHex("0801" + "0a020203" + "0804");
    expect(decodeBody(pkt.MessageContentReq, bytes).messageIds).toEqual([1n, 2n, 3n, 4n]);
  });

  test("text that is not UTF-8 is refused, short or long", () => {
    for (const text of ["c328", "61".repeat(100) + "eda080"]) {
      const bytes = Uint8Array.fromHex("12" + (text.length / 2).toString(16).padStart(2, "0") + text);
      expect(() => decodeBody(pkt.MessageReq, bytes)).toThrow(ImError);
    }
  });

  test("lone surrogates are written as U+FFFD", () => {
    const bytes = encodeBody(pkt.MessageReq, { body: "a\ud800" });
    expect(decodeBody(pkt.MessageReq, bytes).body).toBe("a\ufffd");
  });

  test("a number of eleven bytes and a number that does not end are refused", () => {
    for (const hex of ["08" + "ff".repeat(10) + "01", "08ff", "0a03ffffff"]) {
      expect(codeOf(() => decodeBody(pkt.MessageContentReq, Uint8Array.fromHex(hex)))).toBe("BODY_INVALID");
    }
  });

  test("what is decoded shares no list with what was decoded before", () => {
    decodeBody(pkt.LoginReq, NO_BODY).tags.push("x");
    expect(decodeBody(pkt.LoginReq, NO_BODY).tags).toEqual([]);
  });

  test("a body that could not be encoded leaves nothing behind", () => {
    const bad = { messages: [{ body: "left", messageId: 5 }] } as unknown as pkt.SyncResp;
    expect(() => encodeBody(pkt.SyncResp, bad)).toThrow(TypeError);
    expect(encodeBody(pkt.ErrorResp, { message: "a" }).toHex()).toBe("0a0161");
  });

  test("a body larger than anything before is whole, and so is a small one after it", () => {
    const body = "é".repeat(100_000);
    expect(decodeBody(pkt.MessageReq, encodeBody(pkt.MessageReq, { type: 3, body })).body).toBe(body);
    expect(encodeBody(pkt.ErrorResp, { message: "a" }).toHex()).toBe("0a0161");
  });

  test("an encoded body has its own memory", () => {
    const one = encodeBody(pkt.ErrorResp, { message: "one" });
    encodeBody(pkt.ErrorResp, { message: "two" });
    expect(decodeBody(pkt.ErrorResp, one).message).toBe("one");
  });

  test("EMPTY writes nothing and takes anything", () => {
    expect(encodeBody(EMPTY, {})).toBe(NO_BODY);
    expect(decodeBody(EMPTY, Uint8Array.of(0xff))).toEqual({});
  });
});

function agrees(name: string, bytes: Uint8Array): void {
  let plain: Plain | undefined;
  try {
    plain = decodePlain(name, bytes);
  } catch {
    plain = undefined; // any complaint of protobufjs: ours must complain too
  }
  try {
    expect(decodeBody(generated(name), bytes)).toEqual(plain as object);
  } catch (thrown) {
    if (!(thrown instanceof ImError)) throw thrown;
    expect(plain).toBe(undefined);
  }
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof ImError) return thrown.code;
    throw thrown;
  }
  return undefined;
}
