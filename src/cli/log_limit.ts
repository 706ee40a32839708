import type { Clock } from "../base/clock.ts";
import type { LogFields } from "../base/logger.ts";

/** Lines of one kind that are written in one window, and how long that is, in ms. */
const MOST = 20;
const WINDOW_MS = 10_000;
/** Kinds that are remembered; with more, all are forgotten and begin anew. */
const MOST_KINDS = 500;

interface Kind {
  sinceMs: number;
  written: number;
  leftOut: number;
}

/**
 * Keeps a log readable while something is out of reach and every request says so: of lines with one message and one error
 * only the first in some seconds are written.
 */
export class LogLimit {
  readonly #clock: Pick<Clock, "mono">;
  readonly #kinds = new Map<string, Kind>();

  constructor(clock: Pick<Clock, "mono">) {
    this.#clock = clock;
  }

  /** How many of the kind were left out since the last that was written; undefined: so is this one. */
  pass(message: string, fields: LogFields | undefined): number | undefined {
    const error = fields?.["error"];
    const name = error instanceof Error ? `${message} ${error.message}` : message;
    const now = this.#clock.mono();
    let kind = this.#kinds.get(name);
    if (kind === undefined) {
      if (this.#kinds.size >= MOST_KINDS) this.#kinds.clear();
      this.#kinds.set(name, kind = { sinceMs: now, written: 0, leftOut: 0 });
    }
    if (now - kind.sinceMs >= WINDOW_MS) {
      kind.sinceMs = now;
      kind.written = 0;
    }
    if (kind.written === MOST) {
      kind.leftOut++;
      return undefined;
    }
    kind.written++;
    const { leftOut } = kind;
    kind.leftOut = 0;
    return leftOut;
  }
}
