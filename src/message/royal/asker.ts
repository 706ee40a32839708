import { Backoff } from "../../base/backoff.ts";
import { type Clock, sleep } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import { whyFailed, wordsOf } from "../../base/failed_request.ts";
import type { Logger } from "../../base/logger.ts";
import type { BodyType } from "../../protocol/bodies.ts";
import { decodeAs, encodeAs } from "../../protocol/content.ts";
import * as rpc from "../../protocol/gen/rpc_messages.ts";
import { errorOf } from "../store_wire.ts";
import type { SignedRequest } from "../store_signature.ts";

/** A question to royal (store_calls.ts). */
export interface Call<Req, Res> {
  readonly path: string;
  readonly request: BodyType<Req>;
  readonly response: BodyType<Res>;
}

export interface AskerOptions {
  /** `http://127.0.0.1:8080`; a path is kept, but not signed. */
  readonly url: string;
  /** Signs a request: the value of its Authorization header. */
  readonly sign?: ((request: SignedRequest) => string) | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  readonly fetch: typeof fetch;
}

/** How long an attempt of a change may take, and what it may say. */
export interface Attempt {
  /**
   * An attempt before may have arrived. "store": do it without any limit of time, because it may be done already; "look":
   * only look what became of it, because royal forgets keys after 10 minutes.
   */
  readonly again: "no" | "store" | "look";
}

/** Reads, and changes that were never sent, are given up after that. */
const DEADLINE_MS = 4_000;
/** One attempt; a change that may have arrived is then asked again. */
const ATTEMPT_MS = 10_000;
/** Keys are remembered for 10 minutes: from here on nothing is stored by asking again. */
const KEYS_MS = 540_000;
const RETRY = { baseMs: 25, maxMs: 250 };
/** Reads that wait together are asked again less often: about one a millisecond, whatever their number. */
const CROWD_MS = 2_000;
/** How the runtimes say that no connection came about; looked for in their words without the URL. */
const NEVER_SENT = /refused|ECONNREFUSED|ENOTFOUND|ENOENT|\(Connect\)|UNABLE_TO_VERIFY|SELF_SIGNED_CERT|CERT_/i;
const TYPE = "application/x-protobuf";

/** Asks royal until there is an answer, as far as that is right. */
export class Asker implements AsyncDisposable {
  readonly #options: AskerOptions;
  readonly #base: string;
  readonly #attempts = new Set<AbortController>();
  readonly #given = Promise.withResolvers<void>();
  #problem: string | undefined;
  #stopping = false;
  #gaveUp = false;
  #limit: { stop(): void } | undefined;
  #open = 0;
  #idle: () => void = () => {};

  /** @throws {ImError} CONFIG: the URL is none. */
  constructor(options: AskerOptions) {
    if (!/^https?:\/\//.test(options.url) || !URL.canParse(options.url)) {
      throw new ImError("CONFIG", `Cannot use royal: ${options.url} is no http URL`);
    }
    const url = new URL(options.url);
    this.#options = options;
    this.#base = url.origin + url.pathname.replace(/\/$/, "");
  }

  /** Why the last attempt had no answer; undefined: it had. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Asks again for 4 s; then it failed. */
  read<Req, Res>(call: Call<Req, Res>, request: Partial<Req>): Promise<Res> {
    const { clock } = this.#options;
    const until = clock.mono() + DEADLINE_MS;
    const again = (error: NoAnswer | ImError): boolean => error instanceof NoAnswer && clock.mono() < until;
    return this.#ask(call, () => request, () => Math.max(1, until - clock.mono()), again, CROWD_MS);
  }

  /** Asks once, for at most `ms`. */
  probe<Req, Res>(call: Call<Req, Res>, request: Partial<Req>, ms: number): Promise<Res> {
    return this.#ask(call, () => request, () => ms, () => false);
  }

  /**
   * Asks again until there is an answer, unless royal was never reached: then until `untilMs`, and for 4 s at most.
   * `make` gives the request for each attempt.
   * @param mayBeThere something of it may have been asked before.
   */
  insist<Req, Res>(
    call: Call<Req, Res>,
    make: (attempt: Attempt) => Partial<Req>,
    untilMs: number,
    mayBeThere = false,
  ): Promise<Res> {
    const { clock } = this.#options;
    const started = clock.mono();
    const until = Math.min(started + DEADLINE_MS, untilMs);
    let arrived = false;
    const attempt = (): Attempt["again"] => arrived ? clock.mono() - started > KEYS_MS ? "look" : "store" : "no";
    return this.#ask(call, () => make({ again: attempt() }), () => ATTEMPT_MS, (error) => {
      if (error instanceof NoAnswer) arrived ||= error.arrived;
      // A royal with too many requests has not looked what became of the attempt before.
      else return error.code === "BUSY" && (mayBeThere || attempt() === "store");
      return arrived || mayBeThere || clock.mono() < until;
    });
  }

  /** A stop has begun: what has no answer in 4 s is rejected with CLOSED, nobody is told anything else about it. */
  hurry(): void {
    this.#limit ??= this.#options.clock.after(DEADLINE_MS, () => {
      this.#gaveUp = true;
      for (const attempt of this.#attempts) attempt.abort();
      this.#given.resolve();
    });
  }

  /** What was asked and can still be answered in 4 s is; what is asked from now on is rejected with CLOSED. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    if (this.#open > 0) {
      this.hurry();
      await new Promise<void>((resolve) => this.#idle = resolve);
    }
    this.#limit?.stop();
  }

  async #ask<Req, Res>(
    call: Call<Req, Res>,
    make: () => Partial<Req>,
    attemptMs: () => number,
    again: (error: NoAnswer | ImError) => boolean,
    crowdMs = 0,
  ): Promise<Res> {
    const { clock, log, random } = this.#options;
    if (this.#stopping || this.#gaveUp) throw closed();
    this.#open++;
    const backoff = new Backoff(random, RETRY);
    try {
      for (;;) {
        try {
          const answer = await this.#once(call, make(), attemptMs());
          this.#answered();
          return answer;
        } catch (thrown) {
          if (thrown instanceof ImError) {
            this.#answered();
            if (!again(thrown)) throw thrown;
            if (this.#gaveUp) throw closed();
            await Promise.race([sleep(clock, backoff.next()), this.#given.promise]);
            continue;
          }
          if (this.#gaveUp) throw closed();
          const error = thrown instanceof NoAnswer ? thrown : new NoAnswer(whyFailed(thrown), true);
          if (this.#problem === undefined) log.warn("store has no answer", { url: this.#base, why: error.message });
          this.#problem = `The store at ${this.#base} has no answer: ${error.message}`;
          if (!again(error)) throw new ImError("SYSTEM", "Cannot ask the store: it has no answer", { cause: error });
          const crowd = random() * Math.min(this.#open, crowdMs);
          await Promise.race([sleep(clock, Math.max(backoff.next(), crowd)), this.#given.promise]);
        }
      }
    } finally {
      if (--this.#open === 0) this.#idle();
    }
  }

  #answered(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#options.log.info("store answers again", { url: this.#base });
  }

  /** @throws {ImError} what royal answered. @throws {NoAnswer} */
  async #once<Req, Res>(call: Call<Req, Res>, request: Partial<Req>, ms: number): Promise<Res> {
    // hot: per request
    const { clock, sign, fetch } = this.#options;
    const body = encodeAs("protobuf", call.request, request);
    const authorization = sign?.({ method: "POST", path: call.path, body });
    const attempt = new AbortController();
    const timer = clock.after(ms, () => attempt.abort());
    this.#attempts.add(attempt);
    let response: Response, answer: Uint8Array;
    try {
      response = await fetch(`${this.#base}${call.path}`, {
        method: "POST",
        headers: { "content-type": TYPE, accept: TYPE, ...(authorization ? { authorization } : undefined) },
        body: Uint8Array.from(body),
        signal: attempt.signal,
      });
      answer = new Uint8Array(await response.arrayBuffer());
    } catch (thrown) {
      if (attempt.signal.aborted) throw new NoAnswer(`nothing came in ${Math.round(ms)} ms`, true);
      const wasSent = !NEVER_SENT.test(wordsOf(thrown).replaceAll(this.#base, ""));
      throw new NoAnswer(whyFailed(thrown).replaceAll(this.#base, ""), wasSent);
    } finally {
      timer.stop();
      this.#attempts.delete(attempt);
    }
    const ours = response.headers.get("content-type")?.startsWith(TYPE) === true;
    if (response.ok && ours) return readable(() => decodeAs("protobuf", call.response, answer));
    if (!ours) throw new NoAnswer(`HTTP status ${response.status}, and not from a store`, response.status !== 401);
    const { code, message } = readable(() => decodeAs("protobuf", rpc.ErrorBody, answer));
    if (response.status === 401) throw new NoAnswer(message, false);
    if (code === "CLOSED") throw new NoAnswer(message, true); // another one may be there soon
    throw errorOf(code, message);
  }
}

/** An attempt without an answer of royal's. */
class NoAnswer extends Error {
  /** It may have been carried out. */
  readonly arrived: boolean;
  constructor(message: string, arrived: boolean) {
    super(message);
    this.arrived = arrived;
  }
}

/** Bytes that cannot be read say nothing about what became of the request. */
function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw new NoAnswer(`its answer cannot be read: ${whyFailed(thrown)}`, true);
  }
}

function closed(): ImError {
  return new ImError("CLOSED", "Cannot ask the store: it is closed");
}
