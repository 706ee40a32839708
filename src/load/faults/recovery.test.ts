import { expect, test } from "bun:test";
import { RecoveryMeter, recoveryRows } from "./recovery.ts";

test("tells how long clients waited for answers and pushes after a fault", () => {
  const meter = new RecoveryMeter();
  const client = (account: string, waiting = 0) => ({ account, waiting });
  meter.begin("kill logic", [client("ann", 1), client("bob"), client("carl"), client("dora")], 1_000);
  meter.acked("ann", 3_500); // waited since before
  meter.sent("bob", 1_200);
  meter.sent("bob", 1_300);
  meter.acked("bob", 1_250);
  meter.lost("carl", 1_100);
  meter.sent("carl", 2_000);
  meter.acked("carl", 2_100);
  meter.sent("dora", 4_000); // and nobody answers
  meter.sent("eve", 1_000); // was offline: not counted
  meter.shown("ann", 900, 1_500); // sent before the fault
  meter.shown("ann", 1_100, 1_900);
  meter.shown("bob", 1_100, 2_600);
  meter.begin("flush", [client("ann")], 6_000);
  meter.end(7_000);
  expect(meter.done).toEqual([
    {
      name: "kill logic",
      waitedMs: 2_500,
      halfWaitedMs: 2_000,
      reachedMs: 1_600,
      unreached: 2,
      waiting: 1,
      lost: 1,
    },
    { name: "flush", waitedMs: 0, halfWaitedMs: 0, reachedMs: 0, unreached: 1, waiting: 0, lost: 0 },
  ]);
  const rows = recoveryRows(meter.done);
  expect(rows.map(([name]) => name)).toEqual(["flush", "kill logic"]);
  expect(rows[1]![1]).toContain("2.5 s");
});
