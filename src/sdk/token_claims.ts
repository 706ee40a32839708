/** What a token says of itself; only the server can check it. Nothing, when it is not a token of the usual kind. */
export interface TokenClaims {
  readonly app?: unknown;
  readonly acc?: unknown;
  /** Unix seconds. */
  readonly exp?: unknown;
}

/** Source: proto/WIRE.md "Token". */
export function tokenClaims(token: string): TokenClaims {
  try {
    const part = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" && claims !== null ? claims : {};
  } catch {
    return {}; // the server will say what it thinks of it
  }
}
