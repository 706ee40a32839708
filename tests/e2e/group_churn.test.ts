import { describe, expect, test } from "bun:test";
import { churn } from "../../src/load/churn.ts";
import { churnLines } from "../../src/load/churn_judge.ts";
import { LocalSystem } from "../integration/system_local.ts";

const SECOND = 1000;

/** The long form is `petrel load group-churn`. */
describe("members who join and leave while they talk", () => {
  test.each([
    ["3, all online", { members: 3, online: 3, talks: 200, seed: 1 }, 500, false],
    ["50, becoming large on the way", { members: 50, online: 18, talks: 400, seed: 2 }, 41, true],
    ["50, large from the start", { members: 50, online: 18, talks: 300, seed: 3 }, 5, true],
    ["600, becoming large on the way", { members: 600, online: 15, talks: 400, seed: 4, readers: 15 }, 482, true],
  ])("in a group of %s: everybody got exactly what was sent while they were in", async (_, plan, inboxGroup, large) => {
    await using local = await LocalSystem.start({ inboxGroup });
    const { verdict, stored, changes, readings, largeFrom } = await churn({
      ...plan,
      prefix: "churn",
      login: (account, device, ours) => {
        const meta = new Map([["im.device", device], ...(ours ? [["im.caps", "1"] as const] : [])]);
        return local.login(ours ? "ws" : "tcp", account, { meta });
      },
    });
    expect(churnLines(verdict)).toEqual([]);
    expect(stored).toBe(plan.talks);
    expect(changes).toBeGreaterThan(10);
    expect(readings).toBeGreaterThan(plan.online);
    expect(largeFrom !== undefined).toBe(large);
  }, 120 * SECOND);
});
