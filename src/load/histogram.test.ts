import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Histogram } from "./histogram.ts";
import { Ledger, SEEN } from "./ledger.ts";

describe("Histogram", () => {
  test("gives exact small values and the exact maximum", () => {
    const h = new Histogram();
    for (let i = 1; i <= 100; i++) h.record(i);
    expect(h.quantile(0.5)).toBe(50);
    expect(h.quantile(0.99)).toBe(99);
    expect(h.quantile(1)).toBe(100);
    expect(h.mean).toBe(50.5);
    h.record(1_234_567);
    expect(h.max).toBe(1_234_567);
    expect(h.quantile(1)).toBe(1_234_567);
  });

  test("is empty at first and survives values out of its range", () => {
    const h = new Histogram();
    expect(h.summary()).toEqual({ count: 0, mean: 0, p50: 0, p99: 0, p999: 0, max: 0 });
    h.record(-5);
    h.record(1e15);
    expect(h.quantile(0.5)).toBe(0);
    expect(h.max).toBe(0x7fffffff);
  });

  test("is never below the true quantile and at most 0.8 % above it", () => {
    fc.assert(fc.property(
      fc.array(fc.nat(0x7fffffff), { minLength: 1, maxLength: 200 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, q) => {
        const h = new Histogram();
        for (const v of values) h.record(v);
        const sorted = [...values].sort((a, b) => a - b);
        const truth = sorted[Math.max(1, Math.ceil(values.length * q)) - 1]!;
        expect(h.quantile(q)).toBeGreaterThanOrEqual(truth);
        expect(h.quantile(q)).toBeLessThanOrEqual(truth * 1.008);
      },
    ));
  });
});

describe("Ledger", () => {
  test("tells what was known before, also after a page was given back", () => {
    const ledger = new Ledger();
    for (let i = 0; i < 4096; i++) {
      expect(ledger.mark(i, SEEN.PUSHED)).toBe(0);
      expect(ledger.mark(i, SEEN.ANSWERED)).toBe(SEEN.PUSHED);
    }
    expect(ledger.mark(17, SEEN.PUSHED)).toBe(SEEN.PUSHED | SEEN.ANSWERED);
    expect(ledger.get(4095)).toBe(SEEN.PUSHED | SEEN.ANSWERED);
    expect(ledger.get(4096)).toBe(0);
  });

  test("agrees with a plain map for any marks", () => {
    const marks = fc.array(fc.tuple(fc.nat(9000), fc.constantFrom(1, 3, 4)), { maxLength: 300 });
    fc.assert(fc.property(marks, (steps) => {
      const ledger = new Ledger();
      const plain = new Map<number, number>();
      for (const [counter, bit] of steps) {
        const before = plain.get(counter) ?? 0;
        expect(ledger.mark(counter, bit)).toBe(before);
        plain.set(counter, before | bit);
      }
    }));
  });
});
