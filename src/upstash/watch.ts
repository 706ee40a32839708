import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { Metrics } from "../base/metrics.ts";
import type { Breaker } from "./breaker.ts";

const LOG_EVERY_MS = 10_000;

/** Says what is wrong with an endpoint: a line at most every 10 s. */
export class Complaints {
  readonly #clock: Clock;
  readonly #log: Logger;
  #loggedMs = -Infinity;
  #unlogged = 0;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  add(message: string, why: string): void {
    const nowMs = this.#clock.mono();
    if (nowMs - this.#loggedMs < LOG_EVERY_MS) return void this.#unlogged++;
    this.#log.warn(message, { why, ...(this.#unlogged > 0 && { more: this.#unlogged }) });
    this.#loggedMs = nowMs;
    this.#unlogged = 0;
  }

  /** It is over: the next one is said at once. */
  over(): void {
    this.#loggedMs = -Infinity;
    this.#unlogged = 0;
  }
}

/** The figures of one client. */
export function measure(metrics: Metrics, breaker: Breaker, waiting: () => number) {
  const requests = (outcome: string) =>
    metrics.counter("petrel_redis_requests_total", "Requests to Redis", { outcome });
  metrics.gauge("petrel_redis_breaker_open", "1 while nobody asks Redis, because it has no answer", () => {
    return breaker.state === "closed" ? 0 : 1;
  });
  metrics.gauge("petrel_redis_waiting", "Questions that wait for a request to Redis", waiting);
  return {
    ok: requests("ok"),
    failed: requests("failed"),
    wrong: metrics.counter("petrel_redis_wrong_total", "Answers of Redis that could not be used"),
    commands: metrics.counter("petrel_redis_commands_total", "Commands sent to Redis"),
    seconds: metrics.histogram("petrel_redis_seconds", "Time of a request to Redis"),
  };
}
