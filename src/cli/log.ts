import process from "node:process";
import { type DestinationStream, pino } from "pino";
import { type Clock, systemClock } from "../base/clock.ts";
import type { LogFields, Logger } from "../base/logger.ts";
import { Repeats, type RepeatsOptions } from "../base/repeats.ts";
import { plainFields } from "./log_fields.ts";
import { readableLine } from "./log_line.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
/** What is logged: this level and the ones after it. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Keeps the log readable while something is out of reach and every request says so. */
const WARNINGS: RepeatsOptions = { most: 20, windowMs: 10_000, kinds: 500 };

export interface LogOptions {
  readonly level: LogLevel;
  /** Short lines for people instead of JSON. Default: standard output is a terminal. */
  readonly readable?: boolean | undefined;
  /** Gets every line, with its end. Default: standard output. */
  readonly write?: ((line: string) => void) | undefined;
  readonly clock?: Pick<Clock, "mono"> | undefined;
}

/**
 * The log of the process: one line of JSON per entry with `level`, `time` (ISO 8601, UTC), `msg` and the fields. Lines
 * are written at once, so that the last ones before a crash are there too.
 */
export function openLog(options: LogOptions): Logger {
  const { level, readable = process.stdout.isTTY === true, write = toStdout() } = options;
  const colors = process.env["NO_COLOR"] === undefined;
  const destination: DestinationStream = readable ? { write: (line) => write(readableLine(line, colors)) } : { write };
  const logger = pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  }, destination);
  return wrap(logger, new Repeats(options.clock ?? systemClock, WARNINGS));
}

type PinoLogger = pino.Logger;

function wrap(logger: PinoLogger, warnings: Repeats): Logger {
  const at = (level: Exclude<LogLevel, "silent">) => {
    if (!logger.isLevelEnabled(level)) return () => {};
    return (message: string, fields?: LogFields) =>
      fields ? logger[level](plainFields(fields), message) : logger[level](message);
  };
  const limited = (level: "warn" | "error") => {
    const write = at(level);
    return (message: string, fields?: LogFields) => {
      const leftOut = warnings.pass(kindOf(message, fields));
      if (leftOut !== undefined) write(message, leftOut === 0 ? fields : { ...fields, leftOut });
    };
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: limited("warn"),
    error: limited("error"),
    child: (fields) => wrap(logger.child(plainFields(fields)), warnings),
  };
}

/** Lines are of one kind that have one message and one error. */
function kindOf(message: string, fields: LogFields | undefined): string {
  const error = fields?.["error"];
  return error instanceof Error ? `${message} ${error.message}` : message;
}

function toStdout(): (line: string) => void {
  const stream = pino.destination({ dest: 1, sync: true });
  // Whoever read our output is gone (EPIPE): the server goes on without a log.
  stream.on("error", () => {});
  return (line) => void stream.write(line);
}
