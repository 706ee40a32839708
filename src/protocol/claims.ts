import { ImError } from "../base/errors.ts";
import { fromBase64url, toBase64url } from "./base64url.ts";
import { isName } from "./names.ts";
import { readText } from "./utf8.ts";

/** What a login token says: account, app, and until when it is valid (Unix seconds). */
export interface Claims {
  readonly acc: string;
  readonly app: string;
  readonly exp: number;
}

/** HMAC-SHA256 with the secret (its UTF-8 bytes), synchronous. */
export type Hmac = (data: Uint8Array) => Uint8Array;

/** Why a token was refused, in the order the checks are made. `readToken` knows nothing of revocations. */
export type TokenFault = "malformed" | "algorithm" | "signature" | "claims" | "expired" | "revoked";

/** UNAUTHORIZED with the reason; the token itself is in no field. */
export class TokenError extends ImError {
  readonly reason: TokenFault;
  constructor(reason: TokenFault) {
    super("UNAUTHORIZED", `Cannot accept token: ${reason}`);
    this.reason = reason;
  }
}

/** Longest token that is looked at, in characters. */
const TOKEN_LENGTH = 4096;

const encoder = new TextEncoder();
const HEAD = toBase64url(encoder.encode('{"alg":"HS256","typ":"JWT"}'));

/** A compact JWT, HS256. Source: proto/WIRE.md "Token". */
export function makeToken(claims: Claims, hmac: Hmac): string {
  const { acc, app, exp } = claims;
  const signed = `${HEAD}.${toBase64url(encoder.encode(JSON.stringify({ acc, app, exp })))}`;
  return `${signed}.${toBase64url(hmac(encoder.encode(signed)))}`;
}

/**
 * The claims of a token that is valid at `nowSeconds`: HS256 and nothing else, the signature in its one canonical
 * form, `acc` and `app` legal names, `exp` in the future.
 * @throws {TokenError}
 */
export function readToken(token: string, nowSeconds: number, hmac: Hmac): Claims {
  const first = token.indexOf(".");
  const second = token.indexOf(".", first + 1);
  if (token.length > TOKEN_LENGTH || first < 1 || second < 0 || token.indexOf(".", second + 1) >= 0) {
    throw new TokenError("malformed");
  }
  const head = token.slice(0, first);
  if (head !== HEAD) checkHead(parse(head));
  const expected = toBase64url(hmac(encoder.encode(token.slice(0, second))));
  if (!sameText(token.slice(second + 1), expected)) throw new TokenError("signature");
  const { acc, app, exp } = parse(token.slice(first + 1, second));
  if (typeof acc !== "string" || typeof app !== "string" || typeof exp !== "number") throw new TokenError("claims");
  if (!isName(acc) || !isName(app)) throw new TokenError("claims");
  if (exp <= nowSeconds) throw new TokenError("expired");
  return { acc, app, exp };
}

/** `crit` names extensions that must be understood (RFC 7515 section 4.1.11); none is. */
function checkHead(head: Readonly<Record<string, unknown>>): void {
  if (head["alg"] !== "HS256" || head["crit"] !== undefined) throw new TokenError("algorithm");
}

/** A JSON object in base64url. */
function parse(part: string): Readonly<Record<string, unknown>> {
  try {
    const bytes = fromBase64url(part);
    const value: unknown = JSON.parse(bytes && readText(bytes, 0, bytes.length) || "");
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // not base64url or not JSON: malformed, like JSON that is no object
  }
  throw new TokenError("malformed");
}

/** Takes the same time wherever the texts differ. */
export function sameText(one: string, other: string): boolean {
  let differs = one.length ^ other.length;
  for (let i = 0; i < other.length; i++) differs |= one.charCodeAt(i) ^ other.charCodeAt(i);
  return differs === 0;
}
