import { expect, test } from "bun:test";
import { cutTo, textWidth } from "./text_width.ts";

test.each([
  ["", 0],
  ["hello", 5],
  ["größe", 5],
  ["gro\u0308ße", 5],
  ["你好", 4],
  ["ｆｕｌｌ", 8],
  ["한국어", 6],
  ["😀", 2],
  ["✓ ok", 4],
])("%j takes %d columns", (text, columns) => {
  expect(textWidth(text)).toBe(columns);
});

test.each([["hello", 5, "hello"], ["hello", 4, "hel…"], ["你好吗", 5, "你好…"], ["你好吗", 4, "你…"], ["ab", 1, "…"]])(
  "%j cut to %d columns is %j",
  (text, columns, cut) => {
    expect(cutTo(text, columns)).toBe(cut);
    expect(textWidth(cut)).toBeLessThanOrEqual(columns);
  },
);
