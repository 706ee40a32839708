import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { Metrics } from "../base/metrics.ts";
import { measureProcess } from "./process_metrics.ts";
import { prometheusText } from "./prometheus.ts";

async function linesOf(metrics: Metrics): Promise<string[]> {
  return (await prometheusText(metrics)).text.split("\n").filter((line) => line !== "");
}

describe("prometheusText", () => {
  test("reads counters, gauges and histograms when asked", async () => {
    const metrics = new Metrics();
    const logins = metrics.counter("logins_total", "Logins", { outcome: "ok" });
    metrics.counter("logins_total", "Logins", { outcome: `a "b"\n` }).inc(2);
    let channels = 1;
    metrics.gauge("channels", "Open", () => channels);
    const seconds = metrics.histogram("seconds", "Time", { command: "talk" }, [0.1, 1]);
    for (const value of [0.05, 0.1, 0.5, 7]) seconds.observe(value);

    expect(await linesOf(metrics)).toEqual([
      "# HELP logins_total Logins",
      "# TYPE logins_total counter",
      'logins_total{outcome="ok"} 0',
      'logins_total{outcome="a \\"b\\"\\n"} 2',
      "# HELP channels Open",
      "# TYPE channels gauge",
      "channels 1",
      "# HELP seconds Time",
      "# TYPE seconds histogram",
      'seconds_bucket{command="talk",le="0.1"} 2',
      'seconds_bucket{command="talk",le="1"} 3',
      'seconds_bucket{command="talk",le="+Inf"} 4',
      'seconds_sum{command="talk"} 7.65',
      'seconds_count{command="talk"} 4',
    ]);

    logins.inc();
    channels = 5;
    const later = await linesOf(metrics);
    expect(later).toContain('logins_total{outcome="ok"} 1');
    expect(later).toContain("channels 5");
  });

  test("a gauge that counts up is a counter, and one that throws is left out", async () => {
    const metrics = new Metrics();
    metrics.gauge("bytes_total", "Bytes", () => 3);
    metrics.gauge("gone", "Gone", () => {
      throw new Error("closed");
    });
    expect(await linesOf(metrics)).toEqual([
      "# HELP bytes_total Bytes",
      "# TYPE bytes_total counter",
      "bytes_total 3",
      "# HELP gone Gone",
      "# TYPE gone gauge",
    ]);
  });

  test("names its format", async () => {
    expect((await prometheusText(new Metrics())).type).toBe("text/plain; version=0.0.4; charset=utf-8");
  });
});

describe("measureProcess", () => {
  test("knows memory, CPU time and uptime", async () => {
    const metrics = new Metrics();
    const clock = new FakeClock(5_000_000);
    using _measured = measureProcess(metrics, clock);
    clock.advance(2_000);
    expect(metrics.read("process_uptime_seconds")).toBe(2);
    expect(metrics.read("process_start_time_seconds")).toBe(5_000);
    expect(metrics.read("process_resident_memory_bytes")).toBeGreaterThan(1e6);
    expect(metrics.read("process_heap_bytes")).toBeGreaterThan(1e5);
    expect(metrics.read("process_cpu_seconds_total")).toBeGreaterThan(0);
    expect(await linesOf(metrics)).toContain("# TYPE process_cpu_seconds_total counter");
  });

  test("measures how late timers run, until it is disposed", () => {
    const metrics = new Metrics();
    const clock = new LateClock();
    const measured = measureProcess(metrics, clock);
    clock.lateMs = 0;
    clock.advance(100);
    clock.lateMs = 30;
    clock.advance(100);
    const lag = metrics.histogram("petrel_event_loop_lag_seconds", "");
    expect([lag.count, Math.round(lag.sum * 1000)]).toEqual([2, 30]);
    measured[Symbol.dispose]();
    clock.advance(1_000);
    expect(lag.count).toBe(2);
  });
});

/** Timers see a time that is `lateMs` past the moment they were due. */
class LateClock extends FakeClock {
  lateMs = 0;
  override mono(): number {
    return super.mono() + this.lateMs;
  }
}
