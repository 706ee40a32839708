import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** Claims of a login token. Source: proto/WIRE.md "Token". */
export interface TokenClaims {
  readonly acc: string;
  readonly app: string;
  /** Unix seconds. */
  readonly exp: number;
}

/** A compact HS256 JWT, as the clients of the wire sign it. */
export function signToken(secret: string, claims: TokenClaims): string {
  const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

/** A token of an account for one day. */
export function dayToken(secret: string, app: string, account: string): string {
  return signToken(secret, { acc: account, app, exp: Math.floor(Date.now() / 1000) + 86_400 });
}
