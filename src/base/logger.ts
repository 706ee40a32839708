/** Facts beside a constant message. Never bodies, never tokens. */
export type LogFields = Record<string, unknown>;

/**
 * error: a person must act; warn: something was lost or refused; info: lifecycle; debug: one packet.
 * `cli/log.ts` makes the real one; `silent` is for tests.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose lines all carry these fields. */
  child(fields: LogFields): Logger;
}

export const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silent,
};
