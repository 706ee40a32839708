import { expect, test } from "bun:test";
import fc from "fast-check";
import { Spans } from "../../src/web/spans.ts";

test("ranges cover exactly what was added, in whatever order and overlap", () => {
  const range = fc.tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: -2, max: 8 }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), range, (added, [from, more]) => {
      const spans = new Spans();
      const numbers = new Set<number>();
      for (const [first, length] of added) {
        spans.add(first, first + length);
        for (let n = first; n <= first + length; n++) numbers.add(n);
      }
      let all = true;
      for (let n = from; n <= from + more; n++) all &&= numbers.has(n);
      expect(spans.covers(from, from + more)).toBe(all);
    }),
  );
});
