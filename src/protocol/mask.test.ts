import { expect, test } from "bun:test";
import fc from "fast-check";
import { mask } from "./mask.ts";

test("masking is the plain loop of RFC 6455, wherever the bytes lie and however they are cut", () => {
  const key = fc.oneof(fc.integer(), fc.constantFrom(0, -1, 1, 0x01020304));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), key, fc.nat(9), fc.nat(400), (payload, key, before, cut) => {
      const bytes = new Uint8Array(before + payload.length + 5).fill(0xee);
      bytes.set(payload, before);
      const middle = before + Math.min(cut, payload.length);
      mask(bytes, before, middle, key, 0);
      mask(bytes, middle, before + payload.length, key, middle - before);
      const expected = payload.map((byte, i) => byte ^ (key >>> 24 - 8 * (i & 3) & 0xff));
      expect(bytes.toHex()).toBe("ee".repeat(before) + expected.toHex() + "ee".repeat(5));
    }),
    { numRuns: 500 },
  );
});
