import { fromBase64url, toBase64url } from "../protocol/base64url.ts";
import type { Hmac } from "../protocol/claims.ts";

/** What a signed request to a store says about itself. */
export interface SignedRequest {
  readonly method: string;
  /** As the store sees it, with its query: `/im/append`. */
  readonly path: string;
  readonly body: Uint8Array;
}

/** A signature is taken so long before and after its time. */
export const SIGNATURE_MS = 60_000;

const FORM = /^Petrel (\d{1,16})\.([\w-]{43})$/;
const encoder = new TextEncoder();

/** The Authorization header of a request: `Petrel <Unix ms>.<signature>`. Source: proto/WIRE.md "Who may ask". */
export function signRequest(hmac: Hmac, timeMs: number, request: SignedRequest): string {
  const time = Math.floor(timeMs);
  return `Petrel ${time}.${toBase64url(hmac(signedBytes(time, request)))}`;
}

/** An Authorization header that could be right, for its form and its time. */
export interface Signature {
  readonly timeMs: number;
  readonly mac: Uint8Array;
}

/** A text: why it cannot be right. */
export function readSignature(authorization: string | undefined, nowMs: number): Signature | string {
  if (authorization === undefined) return "there is no Authorization; has the asker PETREL_CLUSTER_SECRET?";
  const [, time, text = ""] = FORM.exec(authorization) ?? [];
  const mac = fromBase64url(text);
  if (time === undefined || !mac) return "Authorization is not Petrel <ms>.<signature>";
  const timeMs = Number(time);
  const offMs = Math.abs(nowMs - timeMs);
  if (offMs > SIGNATURE_MS) return `clocks differ by ${Math.round(offMs / 1000)} s`;
  return { timeMs, mac };
}

/** Does the signature fit? Takes the same time wherever it differs. */
export function verifyRequest(hmac: Hmac, { timeMs, mac }: Signature, request: SignedRequest): boolean {
  const right = hmac(signedBytes(timeMs, request));
  let differs = right.length ^ mac.length;
  for (let i = 0; i < right.length; i++) differs |= right[i]! ^ (mac[i] ?? 0);
  return differs === 0;
}

function signedBytes(timeMs: number, { method, path, body }: SignedRequest): Uint8Array {
  const head = encoder.encode(`${method}\n${path}\n${timeMs}\n`);
  const all = new Uint8Array(head.length + body.length);
  all.set(head);
  all.set(body, head.length);
  return all;
}
