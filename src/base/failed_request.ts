const MOST_WORDS = 160;
/** As Bun and Deno say that a port is closed. */
const REFUSED = /ECONNREFUSED|ConnectionRefused|connection refused/i;
/** As they say that it was there and ended without an answer. */
const BROKE =
  /ECONNRESET|EPIPE|connection reset|broken pipe|socket connection was closed|connection closed before message/i;

/**
 * Why a `fetch` failed, in a few words for people: each runtime tells it in its own, with its causes, and some name the URL.
 * That nobody listens, or that the other side went away, which is what happens most, reads the same on all.
 */
export function whyFailed(thrown: unknown): string {
  const told = wordsOf(thrown);
  if (REFUSED.test(told)) return "nobody answers there";
  return BROKE.test(told) ? "the connection broke" : told.slice(0, MOST_WORDS);
}

/** All that the runtime says: the error's words and code, and those of its causes. */
export function wordsOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const code = "code" in thrown ? ` ${String(thrown.code)}` : "";
  const cause = thrown.cause instanceof Error ? ` (${wordsOf(thrown.cause)})` : "";
  return `${thrown.message || thrown.name}${code}${cause}`;
}
