import { describe, expect, test } from "bun:test";
import { cycleLength, faultName, faultText, planFaults, type PlannedFault, type PlanOptions } from "./plan.ts";

const OPTIONS: PlanOptions = {
  seed: 5,
  kill: ["gateway", "logic"],
  pause: ["logic"],
  clock: ["royal"],
  restart: [],
  links: ["client-gateway", "gateway-logic"],
  counts: { kill: 5, pause: 3, cut: 4, flush: 2, clock: 3, restart: 1 },
  everyMs: 1_000,
  pauseMs: 12_000,
};

function first(options: PlanOptions, count: number): PlannedFault[] {
  const faults: PlannedFault[] = [];
  for (const fault of planFaults(options)) if (faults.push(fault) === count) break;
  return faults;
}

describe("the plan of a fault run", () => {
  test("is the same for the same seed, and another for another", () => {
    expect(first(OPTIONS, 60)).toEqual(first(OPTIONS, 60));
    expect(first({ ...OPTIONS, seed: 6 }, 60)).not.toEqual(first(OPTIONS, 60));
  });

  test("has every minimum count in each cycle", () => {
    const length = cycleLength(OPTIONS);
    expect(length).toBe(10 + 3 + 3 + 8 + 2);
    const two = first(OPTIONS, 2 * length);
    for (const cycle of [two.slice(0, length), two.slice(length)]) {
      const names = cycle.map(faultName);
      const times = (name: string) => names.filter((one) => one === name).length;
      expect(["kill gateway", "kill logic", "pause logic", "clock royal", "cut gateway-logic", "flush"].map(times))
        .toEqual([5, 5, 3, 3, 4, 2]);
    }
    expect(two.map(({ number }) => number)).toEqual(two.map((_, i) => i + 1));
  });

  test("pauses outlast a lease, clocks jump both ways, some faults overlap", () => {
    const faults = first(OPTIONS, 500);
    expect(Math.min(...faults.filter(({ kind }) => kind === "pause").map(({ forMs }) => forMs))).toBeGreaterThan(
      11_999,
    );
    const shifts = faults.flatMap((one) => one.kind === "clock" ? [Math.sign(one.shiftMs)] : []);
    expect(new Set(shifts)).toEqual(new Set([-1, 1]));
    const together = faults.filter((one) => one.together).length;
    expect(together).toBeGreaterThan(50);
    expect(together).toBeLessThan(200);
    for (const fault of faults) expect(faultText(fault)).toContain(faultName(fault));
  });

  test("of a system that can take nothing is empty", () => {
    const nothing = { ...OPTIONS, kill: [], pause: [], clock: [], links: [], counts: { ...OPTIONS.counts, flush: 0 } };
    expect([...planFaults(nothing)]).toEqual([]);
  });
});
