import { Buffer } from "node:buffer";
import { decode, Encoder } from "@msgpack/msgpack";

const encoder = new Encoder({ useBigInt64: true });

/** A value as text: a MessagePack array in base64, because the REST API carries no bytes. */
export function packValue(values: readonly unknown[]): string {
  return Buffer.from(encoder.encodeSharedRef(values)).toString("base64");
}

/** What `packValue` made; undefined: it is none. */
export function unpackValue(text: unknown): readonly unknown[] | undefined {
  if (typeof text !== "string") return undefined;
  try {
    const value: unknown = decode(Buffer.from(text, "base64"), { useBigInt64: true });
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined; // not ours
  }
}

/** A name as a part of a key: nothing in it separates. */
export function keyPart(name: string): string {
  return /^[\w.-]*$/.test(name) ? name : encodeURIComponent(name.toWellFormed());
}
