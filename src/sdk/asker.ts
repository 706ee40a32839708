import { Backoff } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { LIMITS } from "../protocol/limits.ts";
import { STATUS } from "../protocol/status.ts";
import type { BodyCodec } from "../protocol/body_codec.ts";
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

interface Asked {
  readonly send: (requests: Requests) => void;
  readonly fail: (error: ImError) => void;
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
   * again could do it twice; TIMEOUT after 30 s; QUOTA when 256 wait.
   */
  ask<Answer>(question: Question<Answer>): Promise<Answer> {
    const { what, command, dest = "", once = false } = question;
    const cannot = (code: ImError["code"], why: string) => new ImError(code, `Cannot ${what}: ${why}`);
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(cannot(this.#closed.code, this.#closed.message));
      if (this.#open.size >= MOST) return reject(cannot("QUOTA", "too many requests wait"));
      const backoff = new Backoff(this.#random);
      const until = this.#clock.mono() + PATIENCE_MS;
      let last: ImError | undefined;
      let timer: Timer | undefined;
      let flies = false;
      const end = () => {
        timer?.stop();
        limit.stop();
        this.#open.delete(asked);
      };
      const fail = (error: ImError) => {
        end();
        reject(error);
      };
      const tooLate = () => fail(last ?? cannot("TIMEOUT", "no connection in 30 s"));
      // While it is on its way the connection decides.
      const limit = this.#clock.after(PATIENCE_MS, () => flies || tooLate());
      const again = (waitMs: number) => {
        if (this.#clock.mono() >= until) return tooLate();
        if (waitMs === 0) return this.#push(asked);
        timer = this.#clock.after(waitMs, () => this.#push(asked));
      };
      const asked: Asked = {
        fail,
        send: (requests) => {
          const body = question.body(this.#codec);
          if (body.length > LIMITS.client.frameBytes - HEADER_BYTES) {
            return fail(cannot("INVALID_BODY", "it is too much for one request"));
          }
          flies = true;
          this.#inFlight++;
          const over = () => {
            flies = false;
            if (this.#requests === requests) this.#inFlight--;
          };
          requests.request(command, dest, body, (answer) => {
            const value = question.answer(this.#codec, answer);
            over();
            end();
            resolve(value);
            this.#pump();
          }, (error) => {
            over();
            if (!this.#open.has(asked)) return;
            if (error.code === "SESSION_LOST") again(0);
            else if (error.code === "CLOSED") {
              if (once) fail(cannot("CLOSED", "the connection was lost before the answer came; it may have been done"));
              else again(0);
            } else if (error.code in STATUS && STATUS[error.code as keyof typeof STATUS].retry) {
              last = error;
              again(backoff.next());
            } else fail(error);
            this.#pump();
          });
        },
      };
      this.#open.add(asked);
      this.#push(asked);
    });
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
    for (const { fail } of [...this.#open]) fail(error);
    this.#ready = [];
  }

  #push(asked: Asked): void {
    this.#ready.push(asked);
    this.#pump();
  }

  #pump(): void {
    while (this.#requests && this.#inFlight < AT_ONCE && this.#ready.length > 0) {
      const asked = this.#ready.shift()!;
      if (this.#open.has(asked)) asked.send(this.#requests);
    }
  }
}
