import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Interner } from "./intern.ts";
import { isUtf8, readText, textSize, writeText } from "./utf8.ts";

const known = new Interner(256);
const plainEncoder = new TextEncoder();
const plainDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Any UTF-16, lone surrogates too, short and long. */
const anyText = fc.array(fc.oneof(fc.nat(0x7f), fc.nat(0xffff), fc.integer({ min: 0xd800, max: 0xdfff })), {
  maxLength: 120,
})
  .map((units) => String.fromCharCode(...units));

describe("utf8", () => {
  test("writes what TextEncoder writes, and says its size before", () => {
    fc.assert(
      fc.property(anyText, fc.nat(5), (text, at) => {
        const expected = plainEncoder.encode(text);
        expect(textSize(text)).toBe(expected.length);
        const out = new Uint8Array(at + expected.length + 3).fill(0xee);
        expect(writeText(text, out, at)).toBe(at + expected.length);
        expect(out.toHex()).toBe("ee".repeat(at) + expected.toHex() + "eeeeee");
      }),
      { numRuns: 500 },
    );
  });

  test("reads what TextDecoder reads and refuses what it refuses", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      anyText.map((text) => plainEncoder.encode(text)),
      fc.tuple(anyText, fc.nat(200), fc.nat(255)).map(([text, at, byte]) => {
        const made = plainEncoder.encode(text);
        if (made.length > 0) made[at % made.length] = byte;
        return made;
      }),
    );
    fc.assert(
      fc.property(bytes, fc.nat(5), (text, at) => {
        let expected: string | undefined;
        try {
          expected = plainDecoder.decode(text);
        } catch {
          expected = undefined; // not UTF-8
        }
        const around = new Uint8Array(at + text.length + 3).fill(0x61);
        around.set(text, at);
        expect(readText(around, at, at + text.length)).toBe(expected);
        expect(known.read(around, at, at + text.length)).toBe(expected);
        expect(known.read(around, at, at + text.length)).toBe(expected); // now from its memory
        expect(isUtf8(text)).toBe(expected !== undefined);
      }),
      { numRuns: 500 },
    );
  });
});

describe("Interner", () => {
  test("words that share a slot do not become each other", () => {
    const words = Array.from({ length: 3_000 }, (_, i) => `word.${i.toString(36)}`);
    for (const word of [...words, ...words.toReversed()]) {
      const bytes = plainEncoder.encode(word);
      expect(known.read(bytes, 0, bytes.length)).toBe(word);
    }
  });

  test("what it remembers is a copy", () => {
    const bytes = plainEncoder.encode("some.word");
    known.read(bytes, 0, bytes.length);
    bytes[0] = 0x7a;
    expect(known.read(bytes, 0, bytes.length)).toBe("zome.word");
    expect(known.read(plainEncoder.encode("some.word"), 0, 9)).toBe("some.word");
  });
});
