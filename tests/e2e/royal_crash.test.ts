import { describe, expect, test } from "bun:test";
import { crashRoyal, type RoyalFault } from "../../src/load/crash_royal.ts";
import { verdictLines } from "../../src/load/verdict.ts";
import { shellCommand } from "../support/processes.ts";

const SECOND = 1000;
const FAULTS: readonly RoyalFault[] = ["random time", "after-commit", "before-commit", "SIGTERM", "SIGSTOP"];

describe("a store in a process of its own", () => {
  test("nothing is lost or stored twice when it is killed, stopped or paused under load", async () => {
    const { rounds, verdict } = await crashRoyal({
      command: shellCommand("src/cli/main.ts", "dev"),
      royal: shellCommand("src/cli/main.ts", "royal"),
      rounds: FAULTS.length,
      seed: 7,
      faults: FAULTS,
      clients: 20,
      minAcked: 300,
    });
    expect(rounds.map((round) => round.fault)).toEqual([...FAULTS]);
    for (const round of rounds) expect(round.acked).toBeGreaterThanOrEqual(300);
    expect({ clean: verdict.clean, lines: verdictLines(verdict) }).toMatchObject({ clean: true });
    expect([verdict.unjudged, verdict.unknownStored, verdict.unknownNotStored]).toEqual([0, 0, 0]);
  }, 180 * SECOND);
});
