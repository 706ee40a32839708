import { expect, test } from "bun:test";
import { allocate, useSlabs } from "./bytes.ts";

/** Sizes around every border, in an order that fills slabs unevenly. */
const SIZES = [0, 1, 33, 1000, 1024, 1025, 4096, 500, 24, 1024, 1024, 1024, 7];

function arraysDoNotTouch(): void {
  const made = Array.from({ length: 5 }, () => SIZES).flat().map((size, i) => {
    const array = allocate(size);
    expect(array.length).toBe(size);
    expect(array.every((byte) => byte === 0)).toBe(true);
    return array.fill(i + 1);
  });
  made.forEach((array, i) => expect(array.every((byte) => byte === i + 1)).toBe(true));
}

test("arrays are zeroed and their own, from slabs too", () => {
  arraysDoNotTouch();
  useSlabs();
  arraysDoNotTouch();
  useSlabs(); // twice is harmless
  arraysDoNotTouch();
});
