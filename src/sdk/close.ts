import { ImError } from "../base/errors.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";

/** Why the client itself gave up on a connection. Never on the wire: a browser says 4000 for them. */
export const LOST = {
  SILENT: { code: 1006, reason: "server is silent", reconnect: true },
  NO_ANSWER: { code: 1006, reason: "no answer", reconnect: true },
  NOT_OPENED: { code: 1006, reason: "cannot connect", reconnect: true },
  SESSION: { code: 1006, reason: "session lost", reconnect: true },
  NO_TOKEN: { code: 1006, reason: "no token", reconnect: true },
  REFUSED: { code: 1006, reason: "token refused", reconnect: true },
  NO_ADDRESS: { code: 1006, reason: "no address", reconnect: true },
} as const satisfies Record<string, CloseReason>;

const byCode = new Map<number, CloseReason>(Object.values(CLOSE).map((row) => [row.code, row]));

/** What a close code asks of the client; of codes that no row has, 4500 and above say "do not come back". */
export function closeReason(code: number, text: string): CloseReason {
  return byCode.get(code) ?? { code, reason: text, reconnect: code < 4500 };
}

/** What a promise rejects with when the client stopped for that reason. */
export function closedError(why: CloseReason, cause?: unknown): ImError {
  const refused = why.code === CLOSE.UNAUTHORIZED.code || why.code === CLOSE.TOKEN_EXPIRED.code ||
    why.code === CLOSE.KICKED.code || why.code === CLOSE.REVOKED.code;
  const options = cause === undefined ? undefined : { cause };
  return new ImError(refused ? "UNAUTHORIZED" : "CLOSED", `Client is closed: ${why.reason}`, options);
}
