import { Backoff } from "../../base/backoff.ts";
import { type Clock, sleep } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { BodyType } from "../../protocol/bodies.ts";
import { decodeAs, encodeAs } from "../../protocol/content.ts";
import * as rpc from "../../protocol/gen/rpc_messages.ts";
import { errorOf } from "../store_wire.ts";

/** A question to royal (store_calls.ts). */
export interface Call<Req, Res> {
  readonly path: string;
  readonly request: BodyType<Req>;
  readonly response: BodyType<Res>;
}

export interface AskerOptions {
  /** `http://127.0.0.1:8080`; a path is kept. */
  readonly url: string;
  /** Signs a request: the value of its Authorization header. */
  readonly sign?: ((method: string, path: string, body: Uint8Array) => string) | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  readonly fetch: typeof fetch;
}

/** Reads, and changes that were never sent, are given up after that. */
const DEADLINE_MS = 4_000;
/** One attempt; a change that may have arrived is then asked again. */
const ATTEMPT_MS = 10_000;
const RETRY = { baseMs: 25, maxMs: 1_000 };
const NEVER_SENT = /refused|ConnectionRefused|ECONNREFUSED|ENOTFOUND|ENOENT|dns error|lookup/i;
const TYPE = "application/x-protobuf";
/** On the wire: as long as it takes. */
const NO_LIMIT_MS = 0xffff_ffff;

/** Asks royal until there is an answer, as far as that is right. */
export class Asker implements AsyncDisposable {
  readonly #options: AskerOptions;
  readonly #base: string;
  readonly #path: string;
  readonly #closing = new AbortController();
  #problem: string | undefined;
  #stopping = false;
  #open = 0;
  #idle: () => void = () => {};

  /** @throws {ImError} CONFIG: the URL is none. */
  constructor(options: AskerOptions) {
    if (!/^https?:\/\//.test(options.url) || !URL.canParse(options.url)) {
      throw new ImError("CONFIG", `Cannot use royal: ${options.url} is no http URL`);
    }
    const url = new URL(options.url);
    this.#options = options;
    this.#base = url.origin;
    this.#path = url.pathname.replace(/\/$/, "");
  }

  /** Why the last attempt had no answer; undefined: it had. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Asks again for 4 s; then it failed. */
  read<Req, Res>(call: Call<Req, Res>, request: Partial<Req>): Promise<Res> {
    const until = this.#options.clock.mono() + DEADLINE_MS;
    return this.#ask(call, () => request, () => this.#options.clock.mono() < until);
  }

  /**
   * Asks again until there is an answer, unless royal was never reached: then for 4 s. `make` is told the time the work
   * may wait once an attempt may have arrived: no limit, because what may be stored must be stored.
   */
  insist<Req, Res>(call: Call<Req, Res>, make: (waitMs: number | undefined) => Partial<Req>): Promise<Res> {
    const until = this.#options.clock.mono() + DEADLINE_MS;
    let arrived = false;
    return this.#ask(call, () => make(arrived ? NO_LIMIT_MS : undefined), (error) => {
      arrived ||= !NEVER_SENT.test(words(error));
      return arrived || this.#options.clock.mono() < until;
    });
  }

  /** What was asked and can still be answered in 4 s is; what is asked from now on is rejected with CLOSED. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    if (this.#open > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#idle = resolve;
      const limit = this.#options.clock.after(DEADLINE_MS, () => this.#closing.abort());
      await promise;
      limit.stop();
    }
    this.#closing.abort();
  }

  async #ask<Req, Res>(
    call: Call<Req, Res>,
    make: () => Partial<Req>,
    again: (error: unknown) => boolean,
  ): Promise<Res> {
    const { clock, log, random } = this.#options;
    if (this.#stopping) throw closed();
    this.#open++;
    const backoff = new Backoff(random, RETRY);
    try {
      for (;;) {
        try {
          const answer = await this.#once(call, make());
          this.#problem = undefined;
          return answer;
        } catch (thrown) {
          if (thrown instanceof ImError) throw thrown;
          if (this.#closing.signal.aborted) throw closed();
          const problem = words(thrown);
          this.#problem = `The store at ${this.#base} cannot be reached: ${problem}`;
          if (backoff.failures === 0) log.warn("store cannot be reached", { url: this.#base, problem });
          if (!again(thrown)) throw new ImError("SYSTEM", "Cannot ask the store: it is not reached", { cause: thrown });
          await sleep(clock, backoff.next());
        }
      }
    } finally {
      if (--this.#open === 0) this.#idle();
    }
  }

  /** @throws {ImError} what royal answered; anything else: there was no answer. */
  async #once<Req, Res>(call: Call<Req, Res>, request: Partial<Req>): Promise<Res> {
    const path = `${this.#path}${call.path}`;
    const body = encodeAs("protobuf", call.request, request);
    const authorization = this.#options.sign?.("POST", path, body);
    const response = await this.#options.fetch(`${this.#base}${path}`, {
      method: "POST",
      headers: { "content-type": TYPE, accept: TYPE, ...(authorization ? { authorization } : undefined) },
      body: Uint8Array.from(body),
      signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(ATTEMPT_MS)]),
    });
    const answer = new Uint8Array(await response.arrayBuffer());
    if (response.ok) return decodeAs("protobuf", call.response, answer);
    if (!response.headers.get("content-type")?.startsWith(TYPE)) throw new Error(`HTTP status ${response.status}`);
    const { code, message } = decodeAs("protobuf", rpc.ErrorBody, answer);
    throw errorOf(code, message);
  }
}

function words(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const code = "code" in thrown ? ` ${String(thrown.code)}` : "";
  const cause = thrown.cause instanceof Error ? ` (${words(thrown.cause)})` : "";
  return `${thrown.message || thrown.name}${code}${cause}`;
}

function closed(): ImError {
  return new ImError("CLOSED", "Cannot ask the store: it is closed");
}
