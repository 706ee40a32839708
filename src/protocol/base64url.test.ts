import { expect, test } from "bun:test";
import fc from "fast-check";
import { fromBase64url, toBase64url } from "./base64url.ts";

test.each([
  ["", []],
  ["Zg", [0x66]],
  ["Zm8", [0x66, 0x6f]],
  ["Zm9v", [0x66, 0x6f, 0x6f]],
  ["--__", [0xfb, 0xef, 0xff]],
])("base64url %p has these bytes and back", (text, bytes) => {
  expect(toBase64url(Uint8Array.from(bytes))).toBe(text);
  expect(fromBase64url(text)).toEqual(Uint8Array.from(bytes));
});

test.each(["Zg==", "Z", "Zm9vY", "+/+/", "Zm 9v", "Zm9v\n", "Zmé"])("base64url refuses %p", (text) => {
  expect(fromBase64url(text)).toBeUndefined();
});

test("base64url of any bytes is what the standard's encoder gives", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    const text = toBase64url(bytes);
    expect(text).toBe(bytes.toBase64({ alphabet: "base64url", omitPadding: true }));
    expect(fromBase64url(text)).toEqual(bytes);
  }));
});
