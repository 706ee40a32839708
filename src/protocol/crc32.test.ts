import { crc32 as zlibCrc32 } from "node:zlib";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { crc32 } from "./crc32.ts";

test("a text's sum is that of its UTF-8 bytes", () => {
  const texts = fc.oneof(fc.string(), fc.string({ unit: "binary" }), fc.constantFrom("", "kim", "安娜", "a\ud800b"));
  fc.assert(fc.property(texts, (text) => {
    const bytes = new TextEncoder().encode(text);
    expect(crc32(text)).toBe(zlibCrc32(bytes));
    expect(crc32(bytes)).toBe(zlibCrc32(bytes));
  }));
});
