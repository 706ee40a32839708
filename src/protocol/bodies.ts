import { ImError } from "../base/errors.ts";
import type { BodyCodec } from "./body_codec.ts";
import { NO_BODY } from "./packet.ts";
import { BodyReader, type BodyType, BodyWriter } from "./wire.ts";

export type { BodyType } from "./wire.ts";

/** A body without fields: nothing is written, whatever comes is not looked at. */
export const EMPTY: BodyType<Record<string, never>> = {
  name: "Empty",
  fields: [],
  encode() {},
  decode: () => ({}),
};

/** The bytes of a message of gen/. Fields left out are defaults; 64-bit fields are bigint. */
export function encodeBody<T>(type: BodyType<T>, value: Partial<T>): Uint8Array {
  // hot: per body. Nothing in here calls out, so one writer is enough; after an error it is not trusted again.
  const own = writer;
  writer = undefined;
  const used = own ?? new BodyWriter();
  type.encode(value, used);
  writer = used;
  return used.pos === 0 ? NO_BODY : used.take();
}

let writer: BodyWriter | undefined;

/**
 * A message of gen/ from its bytes, every field set. Unknown fields are skipped.
 * @throws {ImError} BODY_INVALID: not protobuf, or text that is not UTF-8.
 */
export function decodeBody<T>(type: BodyType<T>, bytes: Uint8Array): T {
  try {
    return type.decode(new BodyReader(bytes), bytes.length);
  } catch (cause) {
    throw new ImError("BODY_INVALID", `Cannot read ${type.name}: ${bytes.length} bytes`, { cause });
  }
}

/** Bodies as protobuf: the default, and all that old clients know. */
export const protobuf: BodyCodec = { content: "protobuf", encode: encodeBody, decode: decodeBody };
