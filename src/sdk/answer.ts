import { type ErrorCode, ImError } from "../base/errors.ts";
import type { BodyCodec } from "../protocol/body_codec.ts";
import * as pkt from "../protocol/gen/pkt_messages.ts";
import type { LogicPacket } from "../protocol/packet.ts";
import { statusName } from "../protocol/status.ts";

/** The error that a response carries, undefined for success. Its text is the server's, for people. */
export function errorOf(response: LogicPacket, codec: BodyCodec): ImError | undefined {
  const { status, command } = response.header;
  if (status === 0) return undefined;
  return new ImError(codeOf(status), textOf(response.body, codec) || `${command} was answered with status ${status}`);
}

/** Statuses of a newer server count as their class does. Source: proto/WIRE.md "Statuses". */
function codeOf(status: number): ErrorCode {
  const name = statusName(status);
  if (name !== undefined && name !== "SUCCESS") return name;
  return status >= 400 ? "SESSION_LOST" : status >= 300 ? "SYSTEM" : "INVALID_BODY";
}

function textOf(body: Uint8Array, codec: BodyCodec): string {
  if (body.length === 0) return "";
  try {
    return codec.decode(pkt.ErrorResp, body).message;
  } catch {
    return ""; // the status says enough
  }
}
