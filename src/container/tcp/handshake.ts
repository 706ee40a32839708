import { toBase64url } from "../../protocol/base64url.ts";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import { type Hmac, sameText } from "../../protocol/claims.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { isName } from "../../protocol/names.ts";
import { STATUS } from "../../protocol/status.ts";

/** What a gateway says first on a link. Source: proto/WIRE.md "Handshake". */
export interface Hello {
  readonly gateId: string;
  /** One run of the gateway's process; "": a KIM gateway. */
  readonly incarnation: string;
  /** Unix ms, by the gateway's clock. */
  readonly timeMs: number;
  readonly proof: string;
}

/** Clocks may differ by as much, ms. */
const CLOCKS_MS = 60_000;
const encoder = new TextEncoder();

/** The first frame of a link. Without `sign` there is no proof; with an empty incarnation it is KIM's. */
export function helloBytes(gateId: string, incarnation: string, nowMs: number, sign: Hmac | undefined): Uint8Array {
  if (incarnation === "") return encodeBody(pkt.InnerHandshakeReq, { ServiceId: gateId });
  const timeMs = Math.floor(nowMs);
  const proof = sign ? proofOf(sign, gateId, incarnation, timeMs) : "";
  return encodeBody(pkt.InnerHandshakeReq, { ServiceId: gateId, incarnation, timeMs: BigInt(timeMs), proof });
}

/** Undefined: that is no handshake. */
export function readHello(bytes: Uint8Array): Hello | undefined {
  try {
    const { ServiceId: gateId, incarnation, timeMs, proof } = decodeBody(pkt.InnerHandshakeReq, bytes);
    return isName(gateId) ? { gateId, incarnation, timeMs: Number(timeMs), proof } : undefined;
  } catch {
    return undefined; // not protobuf
  }
}

/** Why this gateway may not link, in words; undefined: it may. */
export function checkHello(hello: Hello, nowMs: number, sign: Hmac): string | undefined {
  const { gateId, incarnation, timeMs, proof } = hello;
  if (proof === "") return "no cluster secret";
  if (!sameText(proof, proofOf(sign, gateId, incarnation, timeMs))) return "another cluster secret";
  const off = Math.round((timeMs - nowMs) / 1000);
  if (Math.abs(timeMs - nowMs) > CLOCKS_MS) return `clocks differ by ${Math.abs(off)} s`;
  return undefined;
}

/** The answer to a Petrel gateway. `refused`: why, in words. */
export function answerBytes(serviceId: string, refused = ""): Uint8Array {
  const Code = refused === "" ? STATUS.SUCCESS.wire : STATUS.UNAUTHORIZED.wire;
  return encodeBody(pkt.InnerHandshakeResponse, { Code, Error: refused, serviceId });
}

/** The answer's words: undefined when it is none at all. */
export function readAnswer(bytes: Uint8Array): pkt.InnerHandshakeResponse | undefined {
  try {
    const answer = decodeBody(pkt.InnerHandshakeResponse, bytes);
    return answer.serviceId === "" && answer.Code === STATUS.SUCCESS.wire ? undefined : answer;
  } catch {
    return undefined; // not protobuf
  }
}

function proofOf(sign: Hmac, gateId: string, incarnation: string, timeMs: number): string {
  return toBase64url(sign(encoder.encode(`${gateId}\n${incarnation}\n${timeMs}`)));
}
