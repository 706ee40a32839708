import type { ListenAt } from "../comm/ports.ts";

/** A URL that works on this machine: every address is also the local one, and localhost is called so. */
export function reachable(url: string, { hostname }: ListenAt): string {
  if (hostname === "localhost") return url.replace(/\/\/(127\.0\.0\.1|\[::1\])(?=:)/, "//localhost");
  return url.replace(/\/\/(0\.0\.0\.0|\[::\])(?=:)/, "//localhost");
}

/** A word for a POSIX shell. */
export function quoted(word: string): string {
  return /^[\w./@%+=:,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
