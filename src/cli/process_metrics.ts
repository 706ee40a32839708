import { existsSync, readdirSync } from "node:fs";
import process from "node:process";
import type { Clock } from "../base/clock.ts";
import type { Metrics } from "../base/metrics.ts";

/** Linux only. */
const OPEN_FILES = "/proc/self/fd";
const LAG_EVERY_MS = 100;
/** Upper bounds in seconds. */
const LAG_BOUNDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5] as const;

/**
 * Figures of this process: memory, CPU time, open files, uptime, and how late the event loop runs its timers, measured
 * ten times a second until disposed. Names are those of other Prometheus clients where they have one.
 */
export function measureProcess(metrics: Metrics, clock: Clock): Disposable {
  const startMs = clock.mono();
  const gauge = (name: string, help: string, read: () => number) => metrics.gauge(name, help, read);
  gauge("process_resident_memory_bytes", "Memory of the process", () => process.memoryUsage().rss);
  gauge("process_heap_bytes", "JavaScript heap in use", () => process.memoryUsage().heapUsed);
  gauge("process_cpu_seconds_total", "CPU time, user and system, all threads", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  gauge("process_uptime_seconds", "Time since the start", () => (clock.mono() - startMs) / 1000);
  gauge("process_start_time_seconds", "Start, Unix time", () => (clock.now() - clock.mono() + startMs) / 1000);
  if (existsSync(OPEN_FILES)) {
    gauge("process_open_fds", "Open files and sockets", () => readdirSync(OPEN_FILES).length);
  }

  const lag = metrics.histogram("petrel_event_loop_lag_seconds", "How late a timer ran", {}, LAG_BOUNDS);
  let dueMs = clock.mono() + LAG_EVERY_MS;
  const timer = clock.every(LAG_EVERY_MS, () => {
    const nowMs = clock.mono();
    lag.observe(Math.max(0, nowMs - dueMs) / 1000);
    dueMs = nowMs + LAG_EVERY_MS;
  });
  return { [Symbol.dispose]: () => timer.stop() };
}
