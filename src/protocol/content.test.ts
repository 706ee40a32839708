import { describe, expect, test } from "bun:test";
import { decode, encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { anyMessage, generated, messageNames } from "../../tests/vectors/any_message.ts";
import { inNames } from "../../tests/vectors/in_names.ts";
import { ours, typeOf } from "../../tests/vectors/reflect.ts";
import { ImError } from "../base/errors.ts";
import { EMPTY } from "./bodies.ts";
import { MAX_DEPTH } from "./body_codec.ts";
import { CODECS, contentOf, decodeAs, encodeAs, saysNothing } from "./content.ts";
import { pkt } from "./gen/pkt.js";
import { rpc } from "./gen/rpc.js";
import { NO_BODY } from "./packet.ts";
import type { BodyType } from "./wire.ts";

const NAMED = ["json", "msgpack"] as const;

/** What somebody else writes. */
const write = {
  json: (value: unknown) => utf8(JSON.stringify(value)),
  msgpack: (value: unknown) => encode(value, { useBigInt64: true, maxDepth: 1_000 }),
};

describe("contents", () => {
  test.each(messageNames)("%s is the same message in all three", (name) => {
    const type = generated(name);
    fc.assert(
      fc.property(anyMessage(typeOf(name)), (message) => {
        const whole = ours(typeOf(name), message);
        for (const content of ["protobuf", ...NAMED] as const) {
          expect(decodeAs(content, type, encodeAs(content, type, message))).toEqual(whole);
        }
        expect(JSON.parse(text(encodeAs("json", type, message)))).toEqual(inNames(name, message, "json"));
        expect(decode(encodeAs("msgpack", type, message), { useBigInt64: true })).toEqual(
          inNames(name, message, "msgpack"),
        );
      }),
      { numRuns: 30 },
    );
  });

  test.each(messageNames)("%s: names as declared are read too", (name) => {
    const type = generated(name);
    fc.assert(
      fc.property(anyMessage(typeOf(name)), (message) => {
        for (const content of NAMED) {
          const given = declared(type, inNames(name, message, content));
          expect(decodeAs(content, type, write[content](given))).toEqual(ours(typeOf(name), message));
        }
      }),
      { numRuns: 15 },
    );
  });

  test.each(NAMED)("%s: 64-bit numbers at both ends, as texts, safe integers and integers of any width", (content) => {
    const read = (messageId: unknown) => decodeAs(content, pkt.MessageAckReq, write[content]({ messageId })).messageId;
    for (const id of [0n, 1n, -1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
      expect(read(`${id}`)).toBe(id);
      if (content === "msgpack") expect(read(id)).toBe(id);
    }
    for (const id of [0, 5, -200, 2 ** 53 - 1, 1 - 2 ** 53]) expect(read(id)).toBe(BigInt(id));
  });

  test.each([
    ["a number over 64 bits", { messageId: "9223372036854775808" }, "messageId is no int64"],
    ["a number under 64 bits", { messageId: "-9223372036854775809" }, "messageId is no int64"],
    ["an endless number", { messageId: "1".repeat(4000) }, "messageId is no int64"],
    ["an integer that may have lost digits", { messageId: 2 ** 53 }, "messageId is no int64"],
    ["a fraction", { messageId: 1.5 }, "messageId is no int64"],
    ["hexadecimal", { messageId: "0x10" }, "messageId is no int64"],
    ["a leading zero", { messageId: "01" }, "messageId is no int64"],
    ["an empty text for a number", { messageId: "" }, "messageId is no int64"],
    ["spaces around a number", { messageId: " 1" }, "messageId is no int64"],
    ["a list for a number", { messageId: ["1"] }, "messageId is no int64"],
    ["a 32-bit number as text", { userSeq: "1" }, "userSeq is no uint32"],
    ["a negative number where none may be", { userSeq: -1 }, "userSeq is no uint32"],
    ["a number over 32 bits, by its other name", { user_seq: 2 ** 32 }, "userSeq is no uint32"],
    ["both names", { userSeq: 1, user_seq: 1 }, "userSeq is there in both spellings"],
    ["true for a number", { userSeq: true }, "userSeq is no uint32"],
  ])("%s is refused with the field's name", (_, given, message) => {
    for (const content of NAMED) {
      expect(fault(content, pkt.MessageAckReq, write[content](given))).toBe(`Cannot read MessageAckReq: ${message}`);
    }
  });

  test.each(NAMED)("%s: a wrong type inside a list of messages is refused with its path", (content) => {
    const read = (given: unknown) => fault(content, pkt.SyncResp, write[content](given));
    expect(read({ messages: [{}, { seq: "x" }] })).toBe("Cannot read SyncResp: messages.seq is no uint32");
    expect(read({ messages: [{ group: 1 }] })).toBe("Cannot read SyncResp: messages.group is neither true nor false");
    expect(read({ messages: [{ body: 1 }] })).toBe("Cannot read SyncResp: messages.body is not a text");
    expect(read({ messages: [null] })).toBe("Cannot read SyncResp: messages is not an object");
    expect(read({ messages: {} })).toBe("Cannot read SyncResp: messages is not a list");
    expect(read([])).toBe("Cannot read SyncResp: the body is not an object");
    expect(read("x")).toBe("Cannot read SyncResp: the body is not an object");
    const insert = write[content]({ message: { id: {} } });
    expect(fault(content, rpc.InsertMessageReq, insert)).toBe("Cannot read InsertMessageReq: message.id is no int64");
  });

  test.each(NAMED)("%s: keys of Object's prototype change nothing", (content) => {
    const bytes = content === "json"
      ? utf8('{"__proto__":{"token":"x"},"constructor":1,"toString":2,"hasOwnProperty":3}')
      : Uint8Array.of(0x82, 0xa9, ...utf8("__proto__"), 0x81, 0xa5, ...utf8("token"), 0xa1, 0x78, 0xa1, 0x61, 1);
    expect(decodeAs(content, pkt.LoginReq, bytes)).toEqual(decodeAs("protobuf", pkt.LoginReq, NO_BODY));
    expect("token" in {}).toBe(false);
  });

  test.each(NAMED)("%s: what nests deeper than 16 is refused, however deep, also in fields nobody knows", (content) => {
    const nested = (depth: number) => {
      let value: unknown = 1;
      for (let i = 0; i < depth; i++) value = i % 2 ? [value] : { x: value };
      return write[content]({ unknown: value });
    };
    decodeAs(content, pkt.LoginReq, nested(MAX_DEPTH - 1));
    expect(fault(content, pkt.LoginReq, nested(MAX_DEPTH))).toContain("Cannot read LoginReq: ");
    const deep = content === "json" ? utf8("[".repeat(1 << 20)) : new Uint8Array(1 << 20).fill(0x91);
    expect(fault(content, pkt.LoginReq, deep)).toContain("Cannot read LoginReq: ");
  });

  test.each(NAMED)("%s: nothing set is an object still; no bytes are all defaults", (content) => {
    const bytes = encodeAs(content, pkt.SyncReq, { after: 0 });
    expect(bytes.length).toBe(content === "json" ? 2 : 1);
    expect(saysNothing(content, bytes)).toBe(true);
    expect(saysNothing(content, encodeAs(content, pkt.SyncReq, { after: 1 }))).toBe(false);
    expect(decodeAs(content, pkt.SyncReq, NO_BODY)).toEqual({ after: 0, limit: 0, upTo: 0 });
  });

  test("a command without a body has none in any content, and takes anything", () => {
    for (const content of ["protobuf", ...NAMED] as const) {
      expect(encodeAs(content, EMPTY, {})).toBe(NO_BODY);
      expect(decodeAs(content, EMPTY, Uint8Array.of(0xff))).toEqual({});
    }
  });

  test("lone surrogates are written as U+FFFD in every content, and not read", () => {
    for (const content of ["protobuf", ...NAMED] as const) {
      const bytes = encodeAs(content, pkt.ErrorResp, { message: "a\ud800" });
      expect(decodeAs(content, pkt.ErrorResp, bytes).message).toBe("a\ufffd");
    }
    expect(fault("json", pkt.ErrorResp, utf8('{"message":"a\\ud800"}'))).toContain("message is not a text");
  });

  test("JSON: what is no JSON, no UTF-8, or more than one value is refused without quoting it", () => {
    const secret = '{"token":"secret"';
    for (const bad of [secret, `${secret}}}`, "\ufeff{}", "{token:1}", "NaN", '{"cursor":NaN}', "{}{}", "'"]) {
      expect(fault("json", pkt.LoginReq, utf8(bad))).toBe("Cannot read LoginReq: not JSON");
    }
    const notText = Uint8Array.of(...utf8('{"token":"'), 0xc3, 0x28, ...utf8('"}'));
    expect(fault("json", pkt.LoginReq, notText)).toBe("Cannot read LoginReq: not UTF-8");
  });

  test("JSON: brackets and quotes inside texts do not nest", () => {
    const token = '[{"\\'.repeat(100);
    expect(decodeAs("json", pkt.LoginReq, utf8(JSON.stringify({ token }))).token).toBe(token);
  });

  test("JSON: of a name given twice the last counts", () => {
    expect(decodeAs("json", pkt.LoginReq, utf8('{"token":"a","token":"b"}')).token).toBe("b");
  });

  test.each([
    ["a text longer than the bytes", "81a5746f6b656edbffffffff61"],
    ["a list longer than the bytes", "81a474616773ddffffffff"],
    ["a map longer than the bytes", "dfffffffff"],
    ["bin longer than the bytes", "81a178c6ffffffff"],
    ["ext longer than the bytes", "81a178c9ffffffff01"],
    ["the byte that is never used", "c1"],
    ["bytes behind the value", "8000"],
    ["a cut number", "81a178cf0000"],
    ["a text that is not UTF-8", "81a5746f6b656ea2c328"],
    ["a name that is not UTF-8", "81a2c32801"],
  ])("MessagePack: %s is refused", (_, hex) => {
    expect(fault("msgpack", pkt.LoginReq, Uint8Array.fromHex(hex))).toBe("Cannot read LoginReq: not MessagePack");
  });

  test("MessagePack: NaN, infinity, bin and ext are no values of ours; unknown names may have them", () => {
    const field = (name: string, hex: string) =>
      Uint8Array.of(0x81, 0xa0 | name.length, ...utf8(name), ...Uint8Array.fromHex(hex));
    const odd = [
      "cb7ff8000000000000",
      "cb7ff0000000000000",
      "ca7fc00000",
      "c40161",
      "d6ff00000000",
      "c70501ffffffffff",
    ];
    for (const hex of odd) {
      expect(fault("msgpack", pkt.LoginReq, field("token", hex))).toContain("token is not a text");
      expect(fault("msgpack", pkt.LoginReq, field("cursor", hex))).toContain("cursor is no uint32");
      expect(fault("msgpack", pkt.MessageAckReq, field("messageId", hex))).toContain("messageId is no int64");
      expect(decodeAs("msgpack", pkt.LoginReq, field("x", hex)).token).toBe("");
    }
    expect(decodeAs("msgpack", pkt.LoginReq, field("cursor", "cb4014000000000000")).cursor).toBe(5);
    expect(fault("msgpack", pkt.MessageAckReq, field("messageId", "cfffffffffffffffff"))).toContain("no int64");
  });

  test("MessagePack: keys that are no texts are names of nothing", () => {
    expect(decodeAs("msgpack", pkt.LoginReq, Uint8Array.fromHex("8201a16190a5746f6b656e")).token).toBe("");
  });

  test("MessagePack: every form of text, list and map of @msgpack/msgpack comes back", () => {
    for (const length of [0, 31, 32, 255, 256, 65_535, 65_536]) {
      const message = { token: "é".repeat(length >> 1), tags: new Array<string>(length).fill("x") };
      const bytes = encodeAs("msgpack", pkt.LoginReq, message);
      expect(decode(bytes)).toEqual(length < 2 ? {} : message);
      expect(decodeAs("msgpack", pkt.LoginReq, encode(message))).toMatchObject(message);
    }
  });

  test("contentOf knows three names; none is protobuf", () => {
    expect(Object.keys(CODECS).map((name) => contentOf(name) as string)).toEqual(["protobuf", "json", "msgpack"]);
    expect(contentOf(undefined)).toBe("protobuf");
    for (const name of ["", "JSON", "xml", "toString", "__proto__"]) expect(contentOf(name)).toBe(undefined);
  });
});

/** The error's text; fails when nothing is thrown or it has another code. */
function fault<T>(content: "json" | "msgpack", type: BodyType<T>, bytes: Uint8Array): string {
  try {
    decodeAs(content, type, bytes);
  } catch (thrown) {
    if (!(thrown instanceof ImError)) throw thrown;
    expect(thrown.code).toBe("BODY_INVALID");
    return thrown.message;
  }
  throw new Error("was read");
}

/** With the names of the .proto files. */
function declared(type: BodyType<object>, value: unknown): unknown {
  const given = value as Record<string, unknown>;
  const out: Record<string, unknown> = {};
  for (const { name, declared: other, kind } of type.fields) {
    if (!(name in given)) continue;
    const one = (inner: unknown) => typeof kind === "function" ? declared(kind(), inner) : inner;
    out[other ?? name] = Array.isArray(given[name]) ? given[name].map(one) : one(given[name]);
  }
  return out;
}

function utf8(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
