import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { Metrics } from "../base/metrics.ts";
import { Repeats } from "../base/repeats.ts";
import type { Breaker } from "./breaker.ts";

/** Says what is wrong with an endpoint: a line at most every 10 s. */
export class Complaints {
  readonly #log: Logger;
  readonly #repeats: Repeats;

  constructor(clock: Clock, log: Logger) {
    this.#log = log;
    this.#repeats = new Repeats(clock, { most: 1, windowMs: 10_000, kinds: 1 });
  }

  add(message: string, why: string): void {
    const leftOut = this.#repeats.pass("all of it");
    if (leftOut !== undefined) this.#log.warn(message, leftOut === 0 ? { why } : { why, leftOut });
  }

  /** It is over: the next one is said at once. */
  over(): void {
    this.#repeats.forget();
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
