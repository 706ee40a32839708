import type { Clock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { whyFailed } from "../base/failed_request.ts";

export interface ConsulHttpOptions {
  /** `http://127.0.0.1:8500`: the agent of this machine. */
  readonly url: string;
  /** An ACL token; it needs service:write for our services, service:read and node:read for all. */
  readonly token?: string | undefined;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
}

export interface AskOptions {
  /** Sent as JSON. */
  readonly body?: unknown;
  /** 5 s when not given. */
  readonly ms?: number;
  /** Ends the question. */
  readonly signal?: AbortSignal;
}

/** An answer with a status below 300, or 404. */
export interface ConsulAnswer {
  readonly status: number;
  /** Undefined: none was said, or no number. */
  readonly index: number | undefined;
  readonly text: string;
}

/** A question that does not block is given up after. */
const ANSWER_MS = 5_000;
const MOST_BYTES = 16 << 20;

/** Asks a Consul agent. Each question is asked once. */
export class ConsulHttp implements Disposable {
  readonly #options: ConsulHttpOptions;
  readonly #base: string;
  readonly #open = new Set<AbortController>();

  /** @throws {ImError} CONFIG: the URL is none. */
  constructor(options: ConsulHttpOptions) {
    if (!/^https?:\/\//.test(options.url) || !URL.canParse(options.url)) {
      throw new ImError("CONFIG", `Cannot use Consul: ${options.url} is no http URL`);
    }
    const { origin, pathname } = new URL(options.url);
    this.#options = options;
    this.#base = origin + pathname.replace(/\/$/, "");
  }

  get url(): string {
    return this.#base;
  }

  /** @throws {ImError} SYSTEM: there was no answer within `ms`, or it was a refusal, or `signal` ended it. */
  async ask(
    method: "GET" | "PUT",
    path: string,
    options: AskOptions = {},
  ): Promise<ConsulAnswer> {
    const { clock, token, fetch } = this.#options;
    const { body, ms = ANSWER_MS, signal } = options;
    const attempt = new AbortController();
    const abort = (): void => attempt.abort();
    let isLate = false;
    const timer = clock.after(ms, () => {
      isLate = true;
      abort();
    });
    this.#open.add(attempt);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    try {
      const response = await fetch(this.#base + path, {
        method,
        headers: {
          ...(token ? { "x-consul-token": token } : undefined),
          ...(body === undefined ? undefined : { "content-type": "application/json" }),
        },
        ...(body === undefined ? undefined : { body: JSON.stringify(body) }),
        signal: attempt.signal,
        redirect: "error",
      });
      const text = await readText(response);
      const { status } = response;
      if (status >= 300 && status !== 404) throw new Refused(status, text);
      const index = Number(response.headers.get("x-consul-index") ?? NaN);
      return { status, index: Number.isSafeInteger(index) && index >= 0 ? index : undefined, text };
    } catch (cause) {
      const why = cause instanceof Refused ? cause.message : isLate ? `no answer in ${ms} ms` : whyFailed(cause);
      throw new ImError("SYSTEM", `Cannot ask Consul at ${this.#base}: ${why}`, { cause });
    } finally {
      timer.stop();
      signal?.removeEventListener("abort", abort);
      this.#open.delete(attempt);
    }
  }

  /** Ends every question. */
  [Symbol.dispose](): void {
    for (const attempt of this.#open) attempt.abort();
  }
}

class Refused extends Error {
  constructor(status: number, text: string) {
    const hint = status === 401 || status === 403 ? ", check its ACL token" : "";
    super(`it answers ${status}${hint}${text === "" ? "" : `: ${text.slice(0, 200).trim()}`}`);
  }
}

/** The body, as long as it is not too long. */
async function readText(response: Response): Promise<string> {
  const parts: string[] = [];
  const decoder = new TextDecoder();
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Error(`its answer has more than ${MOST_BYTES} bytes`);
    parts.push(decoder.decode(chunk, { stream: true }));
  }
  return parts.join("") + decoder.decode();
}
