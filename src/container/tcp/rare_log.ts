import type { Clock } from "../../base/clock.ts";
import type { LogFields, Logger } from "../../base/logger.ts";

const EVERY_MS = 10_000;
const KEYS = 1_000;

/** Warnings that come again and again are written once in 10 s, with how many were left out. */
export class RareLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #last = new Map<string, { atMs: number; leftOut: number }>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** The logger itself, but that its warnings are rare. */
  logger(about: string): Logger {
    const log = this.#log;
    return {
      debug: (message, fields) => log.debug(message, fields),
      info: (message, fields) => log.info(message, fields),
      warn: (message, fields) => this.warn(message, about, fields ?? {}),
      error: (message, fields) => log.error(message, fields),
      child: (fields) => log.child(fields),
    };
  }

  /** `about` tells warnings of one message apart: each has its own 10 s. */
  warn(message: string, about: string, fields: LogFields): void {
    const key = `${message} ${about}`;
    const now = this.#clock.mono();
    const last = this.#last.get(key);
    if (last && now - last.atMs < EVERY_MS) {
      last.leftOut++;
      return;
    }
    if (this.#last.size >= KEYS) this.#last.clear();
    this.#last.set(key, { atMs: now, leftOut: 0 });
    this.#log.warn(message, last?.leftOut ? { ...fields, leftOut: last.leftOut } : fields);
  }
}
