import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { silent } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import { talk } from "../../tests/contract/message_talk.ts";
import { tempDir } from "../../tests/support/temp.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { RetentionJob } from "./retention_job.ts";
import { openSqliteStore } from "./sqlite.ts";

const DAY_MS = 86_400_000;

/** A job over a store whose removals are `remove`, on a clock of the test's. */
function stand(days: number, remove: (before: bigint, most: number, clock: FakeClock) => Promise<number>) {
  const clock = new FakeClock();
  const metrics = new Metrics();
  const calls: { readonly at: number; readonly before: bigint; readonly most: number }[] = [];
  const store = {
    removeBefore: (before: bigint, most: number) => {
      calls.push({ at: clock.mono(), before, most });
      return remove(before, most, clock);
    },
  };
  const job = new RetentionJob(store, days, { clock, log: silent, metrics });
  const pass = async (ms: number, step = 10) => {
    for (let passed = 0; passed < ms; passed += step) {
      clock.advance(step);
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    }
  };
  const counted = (name: string) => metrics.counter(`petrel_retention_${name}_total`, "").value;
  return { clock, job, calls, pass, counted };
}

describe("retention", () => {
  test("removes what is older than its days, and looks again every minute", async () => {
    const { clock, calls, pass, counted } = stand(30, () => Promise.resolve(3));
    await pass(200_000, 1_000);
    expect(calls.length).toBe(4);
    const { before, at } = calls.at(-1)!;
    expect(before).toBe(BigInt(clock.now() - clock.mono() + at - 30 * DAY_MS) * 1_000_000n);
    expect(counted("removed")).toBe(12);
  });

  test("a clock that jumps forward makes no message old before it has been so for a day", async () => {
    const { clock, calls, pass } = stand(30, () => Promise.resolve(3));
    const lastDays = () => Number(calls.at(-1)!.before / 1_000_000n) / DAY_MS;
    await pass(120_000, 1_000);
    const before = lastDays();
    clock.jump(365 * DAY_MS);
    await pass(3_600_000, 10_000);
    expect(lastDays()).toBeLessThan(before + 0.1);
    clock.jump(-365 * DAY_MS);
    await pass(120_000, 1_000);
    expect(lastDays()).toBeGreaterThan(before);
    clock.jump(40 * DAY_MS);
    await pass(DAY_MS - 120_000, 60_000);
    expect(lastDays()).toBeLessThan(before + 2);
    await pass(240_000, 10_000);
    expect(lastDays()).toBeGreaterThan(before + 40);
    clock.jump(-50 * DAY_MS);
    await pass(120_000, 1_000);
    expect(lastDays()).toBeLessThan(before);
  });

  test("while there is more it rests as long as a slice took", async () => {
    const { calls, pass } = stand(1, (_before, most, clock) => {
      return new Promise((resolve) => void clock.after(100, () => resolve(most)));
    });
    await pass(2_000);
    const gaps = calls.slice(1).map(({ at }, i) => at - calls[i]!.at);
    expect(gaps.length).toBeGreaterThan(5);
    for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(200);
  });

  test("backs off from errors, longer each time, and goes on when they end", async () => {
    let broken = true;
    const { calls, pass, counted } = stand(1, () => broken ? Promise.reject(new Error("disk")) : Promise.resolve(1));
    await pass(15_000);
    const gaps = calls.slice(1).map(({ at }, i) => at - calls[i]!.at);
    expect(gaps).toEqual([1_000, 2_000, 4_000]);
    expect(counted("failed")).toBe(4);
    broken = false;
    await pass(10_000, 100);
    expect(counted("removed")).toBe(1);
  });

  test("a stop waits for the slice under way, and none follows", async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    const { job, calls, pass } = stand(1, () => promise);
    await pass(100);
    let stopped = false;
    const stopping = job[Symbol.asyncDispose]().then(() => stopped = true);
    await pass(100);
    expect(stopped).toBe(false);
    resolve(1_000);
    await stopping;
    await pass(120_000, 1_000);
    expect(calls.length).toBe(1);
  });

  test("of a real store leaves what is young, and every number", async () => {
    await using folder = await tempDir();
    const past = { ...systemClock, now: () => systemClock.now() - 40 * DAY_MS };
    const open = (clock: Clock) => openSqliteStore({ directory: folder.path, sync: "normal", threads: false, clock });
    {
      await using store = await open(past);
      await store.append(Array.from({ length: 50 }, (_, i) => talk("ann", "bob", { body: `old ${i}` })));
      await store.ack("kim", "bob", "", 20);
    }
    await using store = await open(systemClock);
    await store.append([talk("ann", "bob", { body: "new" })]);
    const metrics = new Metrics();
    await using _job = new RetentionJob(store, 30, { clock: systemClock, log: silent, metrics });
    const removed = metrics.counter("petrel_retention_removed_total", "");
    while (removed.value < 50) await new Promise((done) => setTimeout(done, 5));
    const { rows, head } = await store.messages("kim", "bob", { after: 0, limit: 100 });
    expect(rows.map(({ body, pos }) => [body, pos])).toEqual([["new", 51]]);
    expect(head).toMatchObject({ pos: 51, trimmed: 50 });
    expect(await store.acked("kim", "bob", "")).toBe(20);
  });
});
