import type { Clock } from "../../base/clock.ts";
import type { LogFields, Logger } from "../../base/logger.ts";
import { Repeats } from "../../base/repeats.ts";

/** Warnings that come again and again are written once in 10 s, with how many were left out. */
export class RareLog {
  readonly #log: Logger;
  readonly #repeats: Repeats;

  constructor(clock: Clock, log: Logger) {
    this.#log = log;
    this.#repeats = new Repeats(clock, { most: 1, windowMs: 10_000, kinds: 1_000 });
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
    const leftOut = this.#repeats.pass(`${message} ${about}`);
    if (leftOut !== undefined) this.#log.warn(message, leftOut === 0 ? fields : { ...fields, leftOut });
  }
}
