import { decodeBody, encodeBody, protobuf } from "./bodies.ts";
import type { BodyCodec, Content } from "./body_codec.ts";
import { json } from "./json.ts";
import { msgpack } from "./msgpack.ts";
import { NO_BODY } from "./packet.ts";
import type { BodyType } from "./wire.ts";

/** All ways to write bodies. Rules: proto/WIRE.md "Contents". */
export const CODECS: Readonly<Record<Content, BodyCodec>> = { protobuf, json, msgpack };

/** The content a login names; undefined: there is none of that name. Without a name it is protobuf. */
export function contentOf(name: string | undefined): Content | undefined {
  if (name === undefined || name === "protobuf") return "protobuf";
  return name === "json" || name === "msgpack" ? name : undefined;
}

/** A body in that content. A type without fields (EMPTY) has no body in any. */
export function encodeAs<T>(content: Content, type: BodyType<T>, message: Partial<T>): Uint8Array {
  // hot: per body
  if (content === "protobuf") return encodeBody(type, message);
  return type.fields.length === 0 ? NO_BODY : CODECS[content].encode(type, message);
}

/**
 * A message from a body in that content; of no bytes: all defaults. What comes for a type without fields is not
 * looked at.
 * @throws {ImError} BODY_INVALID, with the field's name where one is wrong.
 */
export function decodeAs<T>(content: Content, type: BodyType<T>, bytes: Uint8Array): T {
  // hot: per body
  if (content === "protobuf" || type.fields.length === 0) return decodeBody(type, bytes);
  return CODECS[content].decode(type, bytes);
}

const LEAST = { protobuf: 0, json: "{}".length, msgpack: 1 } as const;

/** Is this what `encodeAs` makes of a message with nothing but defaults? Told by the length: the body is not read. */
export function saysNothing(content: Content, body: Uint8Array): boolean {
  return body.length <= LEAST[content];
}
