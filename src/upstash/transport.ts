import type { Requester, UpstashRequest, UpstashResponse } from "@upstash/redis/cloudflare";
import type { Clock } from "../base/clock.ts";
import { whyFailed } from "../base/failed_request.ts";

export interface TransportOptions {
  /** `https://….upstash.io`. */
  readonly url: string;
  readonly token: string;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  /** For a whole request. */
  readonly timeoutMs: number;
}

/** Larger answers are not read. */
const MOST_BYTES = 32 << 20;
const MOST_WORDS = 160;

/** A request that got no answer that can be used. It may have been carried out. */
export class NoAnswer extends Error {}

/** The endpoint refused the request: it was not carried out, and asking again does not help. */
export class Refused extends Error {}

/**
 * How the commands of `@upstash/redis` travel: one attempt, a limit of time and size, and errors that hold neither the
 * commands nor the token.
 */
export class Transport implements Requester {
  readonly #options: TransportOptions;
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #open = new Set<AbortController>();

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#base = options.url.replace(/\/+$/, "");
    this.#headers = { "content-type": "application/json", authorization: `Bearer ${options.token}` };
  }

  /** @throws {NoAnswer} @throws {Refused} */
  async request<T>({ path = [], body }: UpstashRequest): Promise<UpstashResponse<T>> {
    // hot: per request
    const { clock, fetch, timeoutMs } = this.#options;
    const attempt = new AbortController();
    this.#open.add(attempt);
    const timer = clock.after(timeoutMs, () => attempt.abort());
    let status: number, text: string;
    try {
      const response = await fetch([this.#base, ...path].join("/") + (path.length === 0 ? "/" : ""), {
        method: "POST",
        headers: this.#headers,
        body: JSON.stringify(body),
        redirect: "manual",
        signal: attempt.signal,
      });
      status = response.status;
      text = await textOf(response);
    } catch (thrown) {
      if (attempt.signal.aborted) throw new NoAnswer(`nothing came in ${timeoutMs} ms`);
      throw thrown instanceof NoAnswer ? thrown : new NoAnswer(whyFailed(thrown).replaceAll(this.#base, "").trim());
    } finally {
      timer.stop();
      this.#open.delete(attempt);
    }
    const answer = parsed(text, status);
    if (status === 200) {
      const count = path[0] === "pipeline" && Array.isArray(body) ? body.length : undefined;
      if (count === undefined ? !isResult(answer) : !isResults(answer, count)) {
        throw new NoAnswer(
          count === undefined ? "its answer is no result" : `its answer is no list of ${count} results`,
        );
      }
      return answer as UpstashResponse<T>;
    }
    const said = errorIn(answer);
    if (status === 400 && said !== undefined) throw new Refused(said);
    if (status === 401 || status === 403) throw new NoAnswer(`the token is refused (HTTP ${status})`);
    throw new NoAnswer(`HTTP status ${status}${said === undefined ? doubtOf(status) : `: ${said}`}`);
  }

  /** Gives up what is under way. */
  abort(): void {
    for (const attempt of this.#open) attempt.abort();
  }
}

async function textOf(response: Response): Promise<string> {
  const announced = response.headers.get("content-length");
  if (announced !== null) {
    if (Number(announced) > MOST_BYTES) throw await tooLarge(response);
    return await response.text();
  }
  const decoder = new TextDecoder();
  let text = "", bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > MOST_BYTES) throw await tooLarge(response);
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

async function tooLarge(response: Response): Promise<NoAnswer> {
  if (!response.body?.locked) await response.body?.cancel();
  return new NoAnswer(`its answer has more than ${MOST_BYTES} bytes`);
}

function parsed(text: string, status: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new NoAnswer(status === 200 ? "its answer is not JSON" : `HTTP status ${status}${doubtOf(status)}`);
  }
}

function isResults(answer: unknown, count: number): boolean {
  return Array.isArray(answer) && answer.length === count && answer.every(isResult);
}

function isResult(one: unknown): boolean {
  return typeof one === "object" && one !== null && ("result" in one || errorIn(one) !== undefined);
}

/** What an answer says is wrong; undefined: nothing. */
export function errorIn(answer: unknown): string | undefined {
  if (typeof answer !== "object" || answer === null || !("error" in answer)) return undefined;
  return typeof answer.error === "string" ? answer.error.slice(0, MOST_WORDS) : undefined;
}

function doubtOf(status: number): string {
  return status === 404 || status === 405 ? ", is UPSTASH_REDIS_REST_URL right?" : "";
}
