import { ImError } from "../base/errors.ts";
import { readText, textSize, writeText } from "./utf8.ts";

/** Where a channel is: its id and the service id of its gateway. */
export interface LocationValue {
  readonly channelId: string;
  readonly gateId: string;
}

/**
 * The stored form KIM uses: `u16 length | channelId | u16 length | gateId`, big-endian. Source: proto/WIRE.md
 * "Storage".
 * @throws {ImError} BODY_INVALID when a text is over 65535 bytes.
 */
export function encodeLocation(location: LocationValue): Uint8Array {
  const channel = textSize(location.channelId);
  const gate = textSize(location.gateId);
  if (channel > 0xffff || gate > 0xffff) {
    throw new ImError("BODY_INVALID", `Cannot write location: texts are ${channel} and ${gate} bytes, limit is 65535`);
  }
  const out = new Uint8Array(4 + channel + gate);
  out[0] = channel >> 8;
  out[1] = channel;
  writeText(location.channelId, out, 2);
  out[2 + channel] = gate >> 8;
  out[3 + channel] = gate;
  writeText(location.gateId, out, 4 + channel);
  return out;
}

/** Reads the stored form. @throws {ImError} BODY_INVALID when it is cut short, too long or not UTF-8. */
export function decodeLocation(bytes: Uint8Array): LocationValue {
  const channelEnd = 2 + length(bytes, 0);
  const gateEnd = channelEnd + 2 + length(bytes, channelEnd);
  const channelId = gateEnd === bytes.length ? readText(bytes, 2, channelEnd) : undefined;
  const gateId = gateEnd === bytes.length ? readText(bytes, channelEnd + 2, gateEnd) : undefined;
  if (channelId === undefined || gateId === undefined) {
    throw new ImError("BODY_INVALID", `Cannot read location: ${bytes.length} bytes that do not fit its lengths`);
  }
  return { channelId, gateId };
}

/** NaN past the end, so that no sum with it equals anything. */
function length(bytes: Uint8Array, at: number): number {
  return at + 2 <= bytes.length ? bytes[at]! << 8 | bytes[at + 1]! : NaN;
}
