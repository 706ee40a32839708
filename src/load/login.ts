import { randomBytes } from "node:crypto";
import { Histogram } from "./histogram.ts";
import { Options, type OptionSpec } from "./options.ts";
import { wait } from "./pool.ts";
import { grouped, latencyText, type Outcome, publish, REPORT_OPTIONS, say, surroundings, UseMeter } from "./report.ts";
import { timelineOf, useRows } from "./report.ts";
import { count } from "./talk_counts.ts";
import { openTarget, type Target, TARGET_OPTIONS } from "./target.ts";
import type { Timeline } from "./timeline.ts";
import { type ServerUrl, WireConn, type WireSink } from "./wire_conn.ts";
import { login } from "./wire_login.ts";

export const LOGIN_OPTIONS: readonly OptionSpec[] = [
  { name: "count", value: "N", preset: "5000", help: "logins in all, each by an account of its own" },
  { name: "concurrency", value: "N", preset: "64", help: "how many at a time" },
  { name: "rate", value: "N", help: "instead: this many per second, evenly spaced, whatever the server does" },
  { name: "burst", value: "N", help: "instead: this many at the same moment" },
  { name: "timeout", value: "S", preset: "10", help: "seconds until a login counts as not answered" },
  ...TARGET_OPTIONS,
  ...REPORT_OPTIONS,
];

const NOBODY: WireSink = { packet() {}, closed() {} };

/** `petrel load login`: connects, logs in, closes; every login is answered or counted. Gives the exit code. */
export async function loginScenario(args: readonly string[]): Promise<number> {
  const options = new Options(args, LOGIN_OPTIONS);
  const burst = options.text("burst") === undefined ? 0 : options.whole("burst", 1);
  const rate = options.maybe("rate", 0.01) ?? 0;
  const total = burst > 0 ? burst : options.whole("count", 1);
  const width = burst > 0 ? burst : rate > 0 ? total : options.whole("concurrency", 1);
  const timeoutMs = options.number("timeout", 0.1) * 1000;
  await using target = await openTarget(options);
  const how = burst > 0 ? "all at once" : rate > 0 ? `${grouped(rate)}/s` : `${width} at a time`;
  const timeline = timelineOf(options, target);
  const run = new LoginRun(target, total, timeoutMs, timeline);
  await run.warmUp();
  timeline?.start();
  const use = new UseMeter(target.pid);
  const timer = options.on("quiet") ? undefined : setInterval(() => run.progress(), 1000);
  if (rate > 0) await run.atRate(rate);
  else await run.withWidth(width);
  clearInterval(timer);
  timeline?.stop();
  const outcome = run.outcome(how, use, target.pidProblem);
  return publish(outcome, surroundings(options, target, "login", args), options, timeline);
}

class LoginRun {
  readonly #target: Target;
  readonly #total: number;
  readonly #timeoutMs: number;
  readonly #tokens: string[];
  /** Microseconds from the intended start: to the open connection, to the login's answer. */
  readonly #opened = new Histogram();
  readonly #answered = new Histogram();
  /** Answers of the present second, for a report. */
  readonly #answerNow: Histogram | undefined;
  readonly #failures = new Map<string, number>();
  #started = 0;
  #ended = 0;
  #startMs = 0;
  #endMs = 0;
  #shown = 0;

  constructor(target: Target, total: number, timeoutMs: number, timeline: Timeline | undefined) {
    timeline?.rate("Logins", "per second", "answered", () => this.#answered.count);
    timeline?.gauge("Logins in flight", "", "in flight", () => this.#started - this.#ended);
    this.#answerNow = timeline?.latency("To login answer");
    this.#target = target;
    this.#total = total;
    this.#timeoutMs = timeoutMs;
    const run = randomBytes(4).toString("hex");
    this.#tokens = Array.from({ length: total }, (_, i) => target.token(`login-${run}-${i}`)); // signing is not measured
  }

  /** One login by itself, so that a wrong address or secret is told at once. @throws {Error} when it fails. */
  async warmUp(): Promise<void> {
    for (const url of this.#target.urls) {
      const conn = await WireConn.open(url, NOBODY, { timeoutMs: this.#timeoutMs });
      const token = this.#target.token(`login-${randomBytes(4).toString("hex")}`);
      const answer = await login(conn, token, NOBODY, { timeoutMs: this.#timeoutMs });
      conn.close();
      if (answer.status !== 0) throw new Error(`Login refused at ${url.text}: ${refusal(answer.status)}`);
    }
  }

  async withWidth(width: number): Promise<void> {
    this.#startMs = performance.now();
    const worker = async () => {
      while (this.#started < this.#total) await this.#one(this.#started++, performance.now());
    };
    await Promise.all(Array.from({ length: Math.min(width, this.#total) }, worker));
    this.#endMs = performance.now();
  }

  async atRate(rate: number): Promise<void> {
    this.#startMs = performance.now();
    const all: Promise<void>[] = [];
    while (this.#started < this.#total) {
      const due = Math.min(this.#total, Math.floor((performance.now() - this.#startMs) * rate / 1000) + 1);
      while (this.#started < due) {
        all.push(this.#one(this.#started, this.#startMs + this.#started * 1000 / rate));
        this.#started++;
      }
      await wait(1);
    }
    await Promise.all(all);
    this.#endMs = performance.now();
  }

  async #one(index: number, intendedMs: number): Promise<void> {
    const url: ServerUrl = this.#target.urls[index % this.#target.urls.length]!;
    const options = { timeoutMs: this.#timeoutMs };
    let conn: WireConn | undefined;
    try {
      conn = await WireConn.open(url, NOBODY, options);
      this.#opened.record((performance.now() - intendedMs) * 1000);
      const answer = await login(conn, this.#tokens[index]!, NOBODY, options);
      const us = (performance.now() - intendedMs) * 1000;
      if (answer.status === 0) { for (const histogram of [this.#answered, this.#answerNow]) histogram?.record(us); }
      else count(this.#failures, refusal(answer.status));
    } catch (error) {
      count(this.#failures, (error as Error).message);
    } finally {
      conn?.close();
      this.#ended++;
    }
  }

  progress(): void {
    const failed = this.#ended - this.#answered.count;
    const busy = this.#started - this.#ended;
    say(`${grouped(this.#answered.count - this.#shown)} logins/s  in flight ${grouped(busy)}  failed ${failed}`);
    this.#shown = this.#answered.count;
  }

  outcome(how: string, meter: UseMeter, pidProblem: string): Outcome {
    const use = meter.read();
    const seconds = (this.#endMs - this.#startMs) / 1000;
    const good = this.#answered.count;
    const failures = [...this.#failures].map(([why, n]) => `${grouped(n)} x ${why}`);
    return {
      title: `login: ${grouped(this.#total)} logins, ${how}`,
      rows: [
        [
          "answered",
          `${grouped(good)} of ${grouped(this.#total)} in ${seconds.toFixed(2)} s: ${grouped(good / seconds)}/s`,
        ],
        ["to open connection", latencyText(this.#opened.summary())],
        ["to login answer", latencyText(this.#answered.summary())],
        ...failures.map((text) => ["failed", text] as const),
        ...useRows(use, good, pidProblem, "login"),
      ],
      figures: {
        total: this.#total,
        answered: good,
        failures: this.#failures,
        seconds,
        rate: good / seconds,
        openMs: this.#opened.summary(),
        answerMs: this.#answered.summary(),
        use,
      },
      tiles: [["not answered", this.#total - good]],
      faults: failures,
    };
  }
}

function refusal(status: number): string {
  return `status ${status}${status === 105 ? " (is the secret the server's?)" : ""}`;
}
