import { Backoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { ConsulEntry } from "./consul_entry.ts";
import { Grace } from "./consul_grace.ts";
import { askHealth } from "./consul_health.ts";
import type { ConsulHttp } from "./consul_http.ts";
import { Pause } from "./consul_pause.ts";

/** Times in ms. */
export interface WatchTimes {
  /** How long a question may wait for a change. */
  readonly waitMs: number;
  /** Between questions after failures. */
  readonly backoff: { readonly baseMs: number; readonly maxMs: number };
  /** So many answers may follow each other at once; after that one for each `rateMs`. */
  readonly burst: number;
  readonly rateMs: number;
  /** After Consul was away, or counts anew, servers have so long to be back before they are told to be gone. */
  readonly graceMs: number;
}

export interface WatchDeps {
  readonly http: ConsulHttp;
  readonly clock: Clock;
  readonly log: Logger;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  readonly times: WatchTimes;
  readonly changed: (entries: readonly ConsulEntry[]) => void;
}

/**
 * Follows one service with blocking queries, until it is stopped. What cannot be had changes nothing. An index that goes
 * backwards begins anew, one of 0 is never waited on; answers that come too quickly are asked for less often.
 */
export class ConsulWatch {
  readonly #service: string;
  readonly #deps: WatchDeps;
  readonly #stop = new AbortController();
  readonly #pause: Pause;
  /** Answers that may still follow at once, and when that was counted. */
  #tokens: number;
  #countedMs: number;
  #unreadable = 0;
  #isOut = false;
  readonly #grace: Grace;

  constructor(service: string, deps: WatchDeps) {
    this.#service = service;
    this.#deps = deps;
    this.#pause = new Pause(deps.clock);
    this.#grace = new Grace(deps.clock, deps.times.graceMs, deps.changed);
    this.#tokens = deps.times.burst;
    this.#countedMs = deps.clock.mono();
    void this.#run();
  }

  stop(): void {
    this.#stop.abort();
    this.#pause.stop();
    this.#grace.stop();
  }

  async #run(): Promise<void> {
    const { random, times } = this.#deps;
    const { signal } = this.#stop;
    const backoff = new Backoff(random, times.backoff);
    let index = 0;
    while (!signal.aborted) {
      let waitMs: number;
      try {
        index = nextIndex(index, await this.#ask(index));
        backoff.reset();
        waitMs = this.#spend();
      } catch (error) {
        if (signal.aborted) return;
        if (!this.#isOut) this.#deps.log.warn("naming is out of reach", { service: this.#service, error });
        this.#isOut = true;
        // A Consul that comes back may have begun to count anew.
        index = 0;
        waitMs = times.backoff.baseMs / 2 + backoff.next();
      }
      if (waitMs > 0) await this.#pause.wait(waitMs);
    }
  }

  /** One question; tells what it gave, and gives its index. */
  async #ask(index: number): Promise<number | undefined> {
    const { http, times, log } = this.#deps;
    const { signal } = this.#stop;
    const wait = `${Math.round(times.waitMs)}ms`;
    const query = { passing: "1", ...(index > 0 ? { index: String(index), wait } : undefined) };
    // Consul adds up to a sixteenth to the wait.
    const ms = times.waitMs * 17 / 16 + 5_000;
    const answer = await askHealth(http, this.#service, query, { signal, ms });
    if (signal.aborted) return index;
    if (this.#isOut) log.info("naming is in reach again", { service: this.#service });
    if (this.#isOut || (answer.index !== undefined && answer.index < index && index > 1)) this.#grace.begin();
    this.#isOut = false;
    if (answer.unreadable > 0 && answer.unreadable !== this.#unreadable) {
      log.warn("servers in naming are not understood", { service: this.#service, count: answer.unreadable });
    }
    this.#unreadable = answer.unreadable;
    this.#grace.seen(answer.entries);
    return answer.index;
  }

  /** Takes one of the answers that may follow at once; how long to wait when there is none. */
  #spend(): number {
    const { clock, times } = this.#deps;
    const now = clock.mono();
    this.#tokens = Math.min(times.burst, this.#tokens + (now - this.#countedMs) / times.rateMs) - 1;
    this.#countedMs = now;
    return this.#tokens >= 0 ? 0 : -this.#tokens * times.rateMs;
  }
}

/** The index to ask with next. Source: Consul's documentation, "Blocking Queries", "Implementation Details". */
export function nextIndex(before: number, answered: number | undefined): number {
  if (answered === undefined || answered < before) return 0;
  return Math.max(1, answered);
}
