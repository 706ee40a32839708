import type { Clock, Timer } from "../base/clock.ts";
import { sleep } from "../base/clock.ts";
import { ImError, reasonOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import { Breaker } from "./breaker.ts";
import { RestCommands } from "./rest.ts";
import { type Command, failure, type Question } from "./question.ts";
import { errorIn, Refused, Transport } from "./transport.ts";
import { Complaints, measure } from "./watch.ts";

export interface UpstashOptions {
  readonly url: string;
  readonly token: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** From 0 up to, not including, 1. */
  readonly random?: () => number;
  readonly metrics?: Metrics;
  readonly fetch?: typeof fetch;
  /** Of one request; 2 s when not given. */
  readonly timeoutMs?: number;
  /** Requests under way at once; 8 when not given. */
  readonly inFlight?: number;
  /** So many questions may wait; more are refused. 10,000 when not given. */
  readonly most?: number;
}

interface Waiting {
  readonly question: Question<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: ImError) => void;
  /** Not asked again after that. */
  readonly untilMs: number;
  attempt: number;
  /** The script's text is sent, not its digest. */
  whole: boolean;
}

const TIMEOUT_MS = 2_000;
const IN_FLIGHT = 8;
/** While a request is under way the next one waits so long: a request costs more than what is in it. */
const GAP_MS = 2;
const MOST = 10_000;
/** Of one request. */
const MOST_COMMANDS = 256, MOST_ARGS = 8_000;
/** Questions that may be repeated are, for so long. */
const DEADLINE_MS = 4_000;
const RETRY_MS = 100;
/** Errors of a Redis that will take the same command soon. */
const NOT_NOW = /^(LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN)\b/;

/**
 * A Redis behind Upstash's REST protocol. Questions of one tick travel together, and those that come while requests are
 * under way form the next one. Rejects with ImError SYSTEM (no answer, or none that can be used) or BUSY (too many wait).
 */
export class Upstash implements AsyncDisposable {
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly #options: UpstashOptions;
  readonly #transport: Transport;
  readonly #commands: RestCommands;
  readonly #breaker: Breaker;
  #queue: Waiting[] = [];
  #open = 0;
  #sentMs = -Infinity;
  #gap: Timer | undefined;
  #flushing = false;
  #closed = false;
  #problem: string | undefined;
  readonly #waits = new Set<Timer>();
  readonly #metrics;
  readonly #complaints: Complaints;

  /** @throws {ImError} CONFIG: the URL or the token is none. */
  constructor(options: UpstashOptions) {
    const { url, token, clock, log, timeoutMs = TIMEOUT_MS, fetch = globalThis.fetch } = options;
    this.clock = clock;
    this.log = log;
    this.random = options.random ?? Math.random;
    this.#options = options;
    this.#complaints = new Complaints(clock, log);
    this.#transport = new Transport({ url, token, clock, fetch, timeoutMs });
    this.#commands = new RestCommands(url, token, this.#transport);
    this.#breaker = new Breaker(clock, this.random, () => this.#probe());
    this.#metrics = measure(options.metrics ?? new Metrics(), this.#breaker, () => this.#queue.length);
  }

  /** Why the last request had no answer; undefined: it had. For `/ready`. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Asks. @throws {ImError} SYSTEM, BUSY */
  ask<T>(question: Question<T>): Promise<T> {
    // hot: per question
    if (this.#closed) return Promise.reject(failure(question, "it is closed"));
    if (this.#breaker.state === "open") return Promise.reject(failure(question, this.#problem ?? "it is out of reach"));
    const { most = MOST } = this.#options;
    if (this.#queue.length >= most) {
      return Promise.reject(new ImError("BUSY", `Cannot ${question.what}: ${most} questions wait for Redis`));
    }
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({
        question,
        resolve: resolve as (value: unknown) => void, // `read` of this very question makes it
        reject,
        untilMs: this.clock.mono() + DEADLINE_MS,
        attempt: 0,
        whole: false,
      });
      this.#schedule();
    });
  }

  /** What has no answer in a second is rejected. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#breaker.stop();
    const untilMs = this.clock.mono() + 1_000;
    const busy = () => this.#open + this.#queue.length + this.#waits.size > 0;
    while (busy() && this.clock.mono() < untilMs) await sleep(this.clock, 5);
    this.#rejectAll("it is closed");
    this.#transport.abort();
    this.#gap?.stop();
  }

  #schedule(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.clock.endOfTick(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const { inFlight = IN_FLIGHT } = this.#options;
    const most = this.#breaker.state === "probing" ? 1 : inFlight;
    while (this.#queue.length > 0 && this.#open < most && this.#breaker.state !== "open") {
      const waitMs = this.#sentMs + GAP_MS - this.clock.mono();
      if (this.#open > 0 && waitMs > 0 && this.#queue.length < MOST_COMMANDS) {
        this.#gap ??= this.clock.after(waitMs, () => {
          this.#gap = undefined;
          this.#flush();
        });
        return;
      }
      void this.#send();
    }
  }

  /** One request with what waits first. Never rejects. */
  async #send(): Promise<void> {
    const { clock } = this;
    const [sent, commands] = this.#take();
    if (sent.length === 0) return;
    this.#open++;
    this.#metrics.commands.inc(sent.length);
    const startedMs = this.#sentMs = clock.mono();
    try {
      const answers = await this.#commands.run(commands, sent);
      this.#metrics.seconds.observe((clock.mono() - startedMs) / 1000);
      this.#answered();
      this.#hand(sent, answers);
    } catch (thrown) {
      this.#metrics.seconds.observe((clock.mono() - startedMs) / 1000);
      this.#failed(sent, thrown);
    } finally {
      this.#open--;
      if (this.#queue.length > 0) this.#schedule();
    }
  }

  /** The first questions, as many as fit in a request, and their commands. */
  #take(): [Waiting[], Command[]] {
    const sent: Waiting[] = [], commands: Command[] = [];
    let args = 0, taken = 0;
    for (const one of this.#queue) {
      if (sent.length === MOST_COMMANDS || args >= MOST_ARGS) break;
      taken++;
      try {
        const command = one.question.command(one.attempt);
        args += "mget" in command ? command.mget.length : "script" in command ? command.args.length : 1;
        commands.push(command);
        sent.push(one);
      } catch (thrown) {
        one.reject(ImError.from(thrown, `Cannot ${one.question.what}`));
      }
    }
    this.#queue = this.#queue.slice(taken);
    return [sent, commands];
  }

  #hand(sent: readonly Waiting[], answers: unknown): void {
    const list = answers as readonly { readonly result?: unknown; readonly error?: unknown }[]; // Transport looked at it
    sent.forEach((one, i) => {
      const answer = list[i];
      const { question } = one;
      const error = errorIn({ error: answer?.error });
      if (error !== undefined) return this.#redisError(one, error);
      let value: unknown;
      try {
        value = question.read(answer?.result ?? null);
      } catch (thrown) {
        this.log.error("reading an answer of redis failed", { what: question.what, error: thrown });
      }
      if (value !== undefined) return one.resolve(value);
      this.#metrics.wrong.inc();
      this.#complaints.add("redis gave an answer that cannot be one", question.what);
      one.reject(failure(question, "its answer cannot be one"));
    });
  }

  #redisError(one: Waiting, error: string): void {
    if (error.startsWith("NOSCRIPT") && !one.whole) { // nothing was done: asked with its text
      this.#commands.forgetScripts();
      one.whole = true;
      return void this.#queue.push(one);
    }
    if (NOT_NOW.test(error) && this.clock.mono() < one.untilMs && !this.#closed) return this.#later([one]); // nothing was done
    this.#metrics.wrong.inc();
    this.#complaints.add(`redis refused a command: ${error}`, one.question.what);
    one.reject(failure(one.question, error));
  }

  #answered(): void {
    this.#metrics.ok.inc();
    this.#breaker.worked();
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#complaints.over();
    this.log.info("redis answers again", {});
  }

  #failed(sent: readonly Waiting[], thrown: unknown): void {
    const why = reasonOf(thrown);
    if (thrown instanceof Refused) {
      this.#answered();
      this.#metrics.wrong.inc();
      this.#complaints.add(`redis refused a request: ${why}`, sent[0]!.question.what);
      for (const one of sent) one.reject(failure(one.question, why));
      return;
    }
    this.#metrics.failed.inc();
    this.#problem = `Upstash Redis has no answer: ${why}`;
    this.#complaints.add("redis has no answer", why);
    this.#breaker.failed();
    const again: Waiting[] = [];
    for (const one of sent) {
      if (one.question.repeat && this.clock.mono() < one.untilMs && !this.#closed) again.push(one);
      else one.reject(failure(one.question, why));
    }
    if (this.#breaker.state === "open") {
      for (const one of again) one.reject(failure(one.question, why));
      this.#rejectAll(why);
    } else if (again.length > 0) this.#later(again);
  }

  #later(again: readonly Waiting[]): void {
    const wait = this.clock.after(RETRY_MS * (0.5 + this.random()), () => {
      this.#waits.delete(wait);
      for (const one of again) one.attempt++;
      this.#queue.unshift(...again);
      if (this.#breaker.state === "open" || this.#closed) this.#rejectAll(this.#problem ?? "it is closed");
      else this.#schedule();
    });
    this.#waits.add(wait);
  }

  #probe(): void {
    if (this.#queue.length > 0) return this.#schedule();
    const ping: Question<true> = {
      what: "look whether Redis answers",
      command: () => ({ ping: true }),
      repeat: false,
      read: () => true,
    };
    this.ask(ping).catch(() => {}); // the breaker has seen it
  }

  #rejectAll(why: string): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const one of queue) one.reject(failure(one.question, why));
  }
}
