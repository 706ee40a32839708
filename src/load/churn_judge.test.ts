import { describe, expect, test } from "bun:test";
import { CHURN_FAULTS, churnLines, judgeChurn, type Membership, type Reading } from "./churn_judge.ts";
import { Deliveries } from "./deliveries.ts";

const said = [10, 20, 30, 40, 50].map((at, i) => ({
  messageId: `m${i + 1}`,
  sender: i === 2 ? "ann" : "bob",
  startMs: at,
  ackMs: at + 5,
}));
/** In from 18 to 42: m2 to m4 for sure, m1 and m5 for sure not. */
const times = new Map<string, Membership[]>([
  ["cat", [{ joinMs: 16, joinedMs: 18, quitMs: 47, quittedMs: 48 }]],
  ["dan", [{ joinMs: 12, joinedMs: 25, quitMs: 100, quittedMs: 100 }]],
]);
const reading = (account: string, ...messageIds: string[]): Reading => ({
  account,
  by: "test",
  messageIds,
  streams: [],
  whole: true,
});
const faults = (...readings: Reading[]) => {
  const verdict = judgeChurn(said, times, readings);
  return Object.fromEntries(CHURN_FAULTS.filter((name) => verdict[name].count > 0).map((n) => [n, verdict[n].count]));
};

describe("the judge of churn", () => {
  test("finds nothing where everybody got what was theirs, either way for what crossed a join", () => {
    expect(faults(reading("cat", "m2", "m3", "m4"))).toEqual({});
    expect(faults(reading("dan", "m3", "m4", "m5"))).toEqual({});
    expect(faults(reading("dan", "m1", "m2", "m3", "m4", "m5"))).toEqual({});
  });

  test("finds what is lost, leaked, invented, twice, out of order, or different", () => {
    expect(faults(reading("cat", "m2", "m4"))).toEqual({ lost: 1 });
    expect(faults(reading("cat", "m1", "m2", "m3", "m4"))).toEqual({ leaked: 1 });
    expect(faults(reading("cat", "m2", "m3", "m4", "m5"))).toEqual({ leaked: 1 });
    expect(faults(reading("cat", "m2", "m3", "m4", "m9"))).toEqual({ leaked: 1 });
    expect(faults(reading("cat", "m2", "m3", "m3", "m4"))).toEqual({ twice: 1 });
    expect(faults({ ...reading("cat", "m2", "m3", "m4"), streams: [[1, 2, 4], [2, 2]] })).toEqual({ order: 1 });
    const [one, other] = [reading("dan", "m2", "m3", "m4", "m5"), reading("dan", "m3", "m4", "m5")];
    expect(faults(one, other)).toEqual({ differs: 1 });
    expect(churnLines(judgeChurn(said, times, [one, other]))).toEqual([
      "differs  1",
      '  dan, test: m2, which "test" lacks',
    ]);
  });

  test("does not ask an account for its own messages, nor for anything a part of a reading lacks", () => {
    times.set("ann", [{ joinMs: 0, joinedMs: 1, quitMs: 100, quittedMs: 100 }]);
    expect(faults(reading("ann", "m1", "m2", "m4", "m5"))).toEqual({});
    expect(faults({ ...reading("cat"), whole: false })).toEqual({});
  });
});

test("deliveries are counted by member and sender: what is missing, late, and twice", () => {
  const counted = new Deliveries();
  for (const counter of [0, 1, 4, 3, 3, 4, 0]) counted.seen(7, 2, counter);
  counted.seen(1, 2, 0);
  expect(counted).toMatchObject({ delivered: 5, duplicates: 3, outOfOrder: 1 });
  expect([0, 1, 2, 3, 4, 5].map((counter) => counted.has(7, 2, counter))).toEqual([
    true,
    true,
    false,
    true,
    true,
    false,
  ]);
});
