import { describe, expect, test } from "bun:test";
import { crash, type CrashOptions } from "../../src/load/crash.ts";
import { verdictLines } from "../../src/load/verdict.ts";
import { shellCommand } from "../support/processes.ts";

const SECOND = 1000;

const FAKE: CrashOptions = { command: shellCommand("src/load/fake_server.ts"), rounds: 4, seed: 11, minAcked: 300 };

describe("killing a server under load", () => {
  test("finds nothing at a stand-in that writes before it answers", async () => {
    const { rounds, verdict } = await crash(FAKE);
    expect(rounds.map((round) => round.point)).toEqual(["random time", "after-commit", "before-commit", "after-reply"]);
    for (const round of rounds) {
      expect(round.acked).toBeGreaterThanOrEqual(300);
      expect(round.unanswered).toBeGreaterThan(0);
    }
    expect({ clean: verdict.clean, lines: verdictLines(verdict) }).toMatchObject({ clean: true });
    expect(verdict.unjudged).toBe(0);
  }, 60 * SECOND);

  test("finds the loss at a stand-in that answers before it writes", async () => {
    const { verdict } = await crash({ ...FAKE, rounds: 1, env: { FAKE_WRITE_LATE_MS: "200" } });
    expect(verdict.faults.lost.count).toBeGreaterThan(0);
  }, 60 * SECOND);

  test("a server of ours loses nothing that it acknowledged", async () => {
    const { rounds, verdict } = await crash({ command: shellCommand("src/cli/main.ts", "dev"), rounds: 2, seed: 5 });
    expect(rounds.length).toBe(2);
    expect({ clean: verdict.clean, lines: verdictLines(verdict) }).toMatchObject({ clean: true });
  }, 120 * SECOND);

  test.each([["small", 500], ["large", 4]])("nor when half of it was said in %s groups", async (_, inboxGroup) => {
    const command = shellCommand("src/cli/main.ts", "dev", "--inbox-group", String(inboxGroup));
    const plan = { rounds: 2, seed: 6, clients: 20, groups: 2, largeGroups: inboxGroup === 4, minAcked: 600 };
    const { rounds, verdict } = await crash({ command, ...plan });
    expect(rounds.length).toBe(2);
    expect({ clean: verdict.clean, lines: verdictLines(verdict) }).toMatchObject({ clean: true });
    expect(verdict.unjudged).toBe(0);
  }, 120 * SECOND);
});
