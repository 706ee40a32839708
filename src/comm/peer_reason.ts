import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";

const byCode = new Map<number, CloseReason>(Object.values(CLOSE).map((row) => [row.code, row]));
/** Codes of RFC 6455 that say "come back": going away, service restart, try again later. */
const RETURN = new Set([1001, 1006, 1011, 1012, 1013]);

/**
 * What a peer's close frame says, as a reason: the code's row of our table with the peer's own words. Codes without a
 * row follow their range: 4000–4499 and a few of the RFC say "reconnect". 1005 is a close frame without a code.
 */
export function peerReason(code: number, reason: string): CloseReason {
  const row = byCode.get(code);
  if (row !== undefined && (row.reason === reason || reason === "")) return row;
  return { code, reason, reconnect: row?.reconnect ?? (RETURN.has(code) || (code >= 4000 && code < 4500)) };
}

/** What a close frame on TCP says: plain text without a code. A text of our table is that row. */
export function peerText(text: string): CloseReason {
  if (text === "") return { code: 1005, reason: "", reconnect: false };
  for (const row of Object.values(CLOSE)) if (row.reason === text) return row;
  return { code: 1005, reason: text, reconnect: false };
}
