import type { Clock } from "../../base/clock.ts";
import { readSignature, verifyRequest } from "../../message/store_signature.ts";
import type { Hmac } from "../../protocol/claims.ts";

/** Who asks. */
export interface Asker {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly authorization: string | undefined;
  /** Undefined: not known, as in tests without a socket. */
  readonly remoteIp: string | undefined;
}

/**
 * May it ask? A text: why not, known without the body. A function: whether the body fits what was signed. "yes": let in
 * without a signature.
 */
export type Admission = (asker: Asker) => "yes" | { readonly why: string } | ((body: Uint8Array) => boolean);

export interface AdmissionOptions {
  readonly clock: Clock;
  /** HMAC-SHA256 with the cluster secret; undefined: nobody can sign. */
  readonly hmac: Hmac | undefined;
  /** Addresses that need no signature (`PETREL_KIM_PEERS`). Default: none. */
  readonly isPeer?: ((ip: string) => boolean) | undefined;
}

/** Signed requests, and those of listed addresses. Source: proto/WIRE.md "Who may ask". */
export function admission({ clock, hmac, isPeer }: AdmissionOptions): Admission {
  return ({ method, path, authorization, remoteIp }) => {
    if (remoteIp !== undefined && isPeer?.(remoteIp)) return "yes";
    const signature = readSignature(authorization, clock.now());
    if (typeof signature === "string") return { why: `Cannot answer: ${signature}` };
    if (!hmac) return { why: "Cannot answer: this store has no secret, and your address is not listed" };
    return (body) => verifyRequest(hmac, signature, { method, path, body });
  };
}
