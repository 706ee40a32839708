import { describe, expect, test } from "bun:test";
import process from "node:process";
import { FakeClock } from "../base/fake_clock.ts";
import { Histogram } from "./histogram.ts";
import { Random } from "./random.ts";
import { type Chart, Timeline } from "./timeline.ts";

/** The values of a series. */
function values(charts: readonly Chart[], title: string, name: string): readonly (number | null)[] {
  const series = charts.find((chart) => chart.title === title)?.series.find((one) => one.name === name);
  if (series === undefined) throw new Error(`No series ${name} in ${title}`);
  return series.values;
}

describe("a timeline", () => {
  test("shows counters per second, gauges as they are, and tracks of one title together", () => {
    const clock = new FakeClock();
    const timeline = new Timeline(clock);
    const seen = { sent: 500, stored: 0, open: 7 };
    timeline.rate("Messages", "per second", "sent", () => seen.sent);
    timeline.rate("Messages", "per second", "stored", () => seen.stored, 2);
    timeline.gauge("Open", "", "open", () => seen.open);
    timeline.start();
    for (let i = 1; i <= 3; i++) {
      seen.sent += 10 * i;
      seen.stored += i;
      seen.open++;
      clock.advance(1000);
    }
    timeline.mark("half a second follows");
    seen.sent += 4;
    clock.advance(500);
    timeline.stop();
    const { seconds, charts, marks } = timeline.charts();
    expect(seconds).toEqual([1, 2, 3, 3.5]);
    expect(marks).toEqual([{ seconds: 3, label: "half a second follows" }]);
    expect(charts.map(({ title, series }) => [title, series.length])).toEqual([["Messages", 2], ["Open", 1]]);
    expect(values(charts, "Messages", "sent")).toEqual([10, 20, 30, 8]);
    expect(values(charts, "Messages", "stored")).toEqual([2, 4, 6, 0]);
    expect(values(charts, "Open", "open")).toEqual([8, 9, 10, 10]);
  });

  test("leaves gaps where nothing is known, and counts a new process from its beginning", () => {
    const clock = new FakeClock();
    const timeline = new Timeline(clock);
    let used: number | undefined = 100;
    timeline.rate("CPU", "us", "server", () => used);
    const latency = timeline.latency("Wait");
    timeline.rate("Nothing", "", "never known", () => undefined);
    latency.record(5_000); // before the start
    timeline.start();
    for (const next of [150, undefined, 30, 40]) {
      used = next;
      clock.advance(1000);
    }
    latency.record(2_000);
    clock.advance(1000);
    timeline.stop();
    const { charts } = timeline.charts();
    expect(charts.map(({ title }) => title)).toEqual(["CPU", "Wait"]);
    expect(values(charts, "CPU", "server")).toEqual([50, null, null, 10, 0]);
    expect(values(charts, "Wait", "p50")).toEqual([null, null, null, null, 2]);
  });

  test("keeps at most 1,000 points: counts add up and percentiles stay those of everything recorded", () => {
    const clock = new FakeClock();
    const timeline = new Timeline(clock);
    const random = new Random(4);
    let sent = 0;
    timeline.rate("Messages", "per second", "sent", () => sent);
    const latency = timeline.latency("Wait");
    const expected: Histogram[] = [];
    timeline.start();
    for (let second = 0; second < 3000; second++) {
      if (second % 4 === 0) expected.push(new Histogram());
      for (let i = 0; i < 5; i++) {
        const us = random.between(100, 1_000_000);
        latency.record(us);
        expected.at(-1)!.record(us);
      }
      sent += 5;
      clock.advance(1000);
    }
    timeline.stop();
    const { seconds, charts } = timeline.charts();
    expect(seconds.length).toBe(750);
    expect(seconds.at(-1)).toBe(3000);
    expect(new Set(values(charts, "Messages", "sent"))).toEqual(new Set([5]));
    const ms = (q: number) => expected.map((one) => one.quantile(q) / 1000);
    expect(values(charts, "Wait", "p50")).toEqual(ms(0.5));
    expect(values(charts, "Wait", "p99.9")).toEqual(ms(0.999));
  });

  test("watches a process, where the system tells", () => {
    const clock = new FakeClock();
    const timeline = new Timeline(clock);
    timeline.process("self", () => process.pid);
    timeline.process("nobody", () => undefined);
    timeline.start();
    clock.advance(1000);
    timeline.stop();
    const { charts } = timeline.charts();
    if (process.platform !== "linux") return expect(charts).toEqual([]);
    expect(values(charts, "Memory", "self")[0]).toBeGreaterThan(1);
    expect(values(charts, "CPU", "nobody")).toEqual([null]);
  });
});
