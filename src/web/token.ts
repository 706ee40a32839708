import { ImError } from "../sdk/mod.ts";

/**
 * A login token from the server this page came from. @throws {ImError} UNAUTHORIZED: it will never give one; SYSTEM: not
 * now.
 */
export async function demoToken(account: string): Promise<string> {
  const response = await fetch("/demo/token", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ account }),
  });
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok && typeof answer === "object" && answer !== null && "token" in answer) return String(answer.token);
  const refused = [400, 403, 404, 405].includes(response.status);
  throw new ImError(refused ? "UNAUTHORIZED" : "SYSTEM", `Cannot get a token: the server answered ${response.status}`);
}

/** Whom a pasted token is for; undefined: it is no token. The server checks it, this is to notice mix-ups. */
export function accountOfToken(token: string): string | undefined {
  try {
    const part = token.split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" && claims !== null && "acc" in claims ? String(claims.acc) : undefined;
  } catch { // not base64url, not JSON
    return undefined;
  }
}

const KEY = "petrel.token";

/** A pasted token is kept for reloads of this tab. */
export function keptToken(): string {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch { // storage is denied
    return "";
  }
}

export function keepToken(token: string): void {
  try {
    if (token === "") sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch {
    // storage is denied: it has to be pasted again
  }
}
