import { Backoff } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { type ErrorCode, ImError } from "../base/errors.ts";
import type { BodyCodec } from "../protocol/body_codec.ts";
import { LIMITS } from "../protocol/limits.ts";
import { isName } from "../protocol/names.ts";
import { STATUS } from "../protocol/status.ts";
import type { Requests } from "./connection.ts";

/** Requests on their way at once: the gateway stops reading when sixteen wait that may be answered with pages. */
const AT_ONCE = 8;
/** Requests that may wait. */
const MOST = 256;
/** What has not been answered by then fails. */
const PATIENCE_MS = 30_000;
/** Room for a packet's header in a frame. */
const HEADER_BYTES = 1_024;

/** A question to the server. */
export interface Question<Answer> {
  /** For errors: "Cannot <what>: …". */
  readonly what: string;
  readonly command: string;
  readonly dest?: string;
  /** Written when it leaves: who we are is known by then. */
  readonly body: (codec: BodyCodec) => Uint8Array;
  readonly answer: (codec: BodyCodec, body: Uint8Array) => Answer;
  /** Asked twice it would be done twice. */
  readonly once?: boolean;
}

/** A question that is not answered yet. */
interface Asked {
  readonly question: Question<unknown>;
  readonly backoff: Backoff;
  /** In monotonic time. */
  readonly untilMs: number;
  readonly limit: Timer;
  /** @throws {ImError} BODY_INVALID */
  readonly answered: (body: Uint8Array) => void;
  readonly reject: (error: ImError) => void;
  /** Is it on its way? Then the connection decides. */
  flies: boolean;
  /** Refused for the moment: why, and until when. */
  refused: ImError | undefined;
  pause: Timer | undefined;
}

/**
 * Asks the server, in the order of the calls, while offline later. What was refused for the moment (BUSY, SYSTEM) or lost its
 * connection is asked again, unless that could do something twice.
 */
export class Asker {
  readonly #codec: BodyCodec;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #open = new Set<Asked>();
  #ready: Asked[] = [];
  #requests: Requests | undefined;
  #inFlight = 0;
  #closed: ImError | undefined;

  constructor(codec: BodyCodec, clock: Clock, random: () => number) {
    this.#codec = codec;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Rejects with an ImError: the code of the status; CLOSED when the client is closed, or the connection went and asking
   * again could do it twice; TIMEOUT after 30 s; QUOTA when 256 wait; INVALID_BODY for what no server could read.
   */
  ask<Answer>(question: Question<Answer>): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const error = this.#whyNot(question);
    if (error) {
      reject(error);
      return promise;
    }
    const asked: Asked = {
      question,
      backoff: new Backoff(this.#random),
      untilMs: this.#clock.mono() + PATIENCE_MS,
      limit: this.#clock.after(PATIENCE_MS, () => asked.flies || this.#tooLate(asked)),
      answered: (body) => resolve(question.answer(this.#codec, body)),
      reject,
      flies: false,
      refused: undefined,
      pause: undefined,
    };
    this.#open.add(asked);
    this.#push(asked);
    return promise;
  }

  start(requests: Requests): void {
    this.#requests = requests;
    this.#pump();
  }

  /** What is on its way comes back when its requests fail. */
  stop(): void {
    this.#requests = undefined;
    this.#inFlight = 0;
  }

  /** Nothing is asked any more; all that waits fails. */
  close(error: ImError): void {
    this.#closed = error;
    for (const asked of [...this.#open]) this.#fail(asked, error);
    this.#ready = [];
  }

  #whyNot(question: Question<unknown>): ImError | undefined {
    const { dest } = question;
    if (this.#closed) return cannot(question, this.#closed.code, this.#closed.message);
    if ("dest" in question && !(typeof dest === "string" && isName(dest))) {
      return cannot(question, "INVALID_BODY", "that is no account and no group");
    }
    return this.#open.size >= MOST ? cannot(question, "QUOTA", "too many requests wait") : undefined;
  }

  #push(asked: Asked): void {
    this.#ready.push(asked);
    this.#pump();
  }

  #pump(): void {
    while (this.#requests && this.#inFlight < AT_ONCE && this.#ready.length > 0) {
      const asked = this.#ready.shift()!;
      if (this.#open.has(asked)) this.#send(this.#requests, asked);
    }
  }

  #send(requests: Requests, asked: Asked): void {
    const { question } = asked;
    const body = written(question, this.#codec);
    if (!body) return this.#fail(asked, cannot(question, "INVALID_BODY", "it holds what is no text, or no number"));
    if (body.length > LIMITS.client.frameBytes - HEADER_BYTES) {
      return this.#fail(asked, cannot(question, "INVALID_BODY", "it is too much for one request"));
    }
    const over = () => {
      asked.flies = false;
      if (this.#requests === requests) this.#inFlight--;
    };
    asked.flies = true;
    this.#inFlight++;
    requests.request(question.command, question.dest ?? "", body, (answer) => {
      asked.answered(answer);
      over();
      this.#end(asked);
      this.#pump();
    }, (error) => {
      over();
      if (this.#open.has(asked)) this.#failed(asked, error);
      this.#pump();
    });
  }

  #failed(asked: Asked, error: ImError): void {
    const { question, backoff } = asked;
    const { code } = error;
    if (code === "CLOSED" && question.once) {
      const why = "the connection was lost before the answer came; it may have been done";
      return this.#fail(asked, cannot(question, code, why));
    }
    if (code === "CLOSED" || code === "SESSION_LOST") return this.#again(asked, 0);
    if (!(code in STATUS && STATUS[code as keyof typeof STATUS].retry)) return this.#fail(asked, error);
    asked.refused = error;
    this.#again(asked, backoff.next());
  }

  #again(asked: Asked, waitMs: number): void {
    if (this.#clock.mono() >= asked.untilMs) this.#tooLate(asked);
    else if (waitMs === 0) this.#push(asked);
    else asked.pause = this.#clock.after(waitMs, () => this.#push(asked));
  }

  #tooLate(asked: Asked): void {
    this.#fail(asked, asked.refused ?? cannot(asked.question, "TIMEOUT", "no connection in 30 s"));
  }

  #fail(asked: Asked, error: ImError): void {
    this.#end(asked);
    asked.reject(error);
  }

  #end(asked: Asked): void {
    asked.limit.stop();
    asked.pause?.stop();
    this.#open.delete(asked);
  }
}

function cannot({ what }: Question<unknown>, code: ErrorCode, why: string): ImError {
  return new ImError(code, `Cannot ${what}: ${why}`);
}

/** Where nobody checks types anything may come: undefined when it cannot be encoded. */
function written({ body }: Question<unknown>, codec: BodyCodec): Uint8Array | undefined {
  try {
    return body(codec);
  } catch {
    return undefined; // which field it is only the codec knows, in words of its own
  }
}
