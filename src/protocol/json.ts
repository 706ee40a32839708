import { ImError } from "../base/errors.ts";
import { type BodyCodec, MAX_DEPTH } from "./body_codec.ts";
import { fromNamed, toNamed } from "./named_fields.ts";
import { readText } from "./utf8.ts";

const encoder = new TextEncoder();

/** Bodies as JSON: camelCase names, 64-bit numbers as decimal texts, defaults left out. Rules: proto/WIRE.md "Contents". */
export const json: BodyCodec = {
  content: "json",
  encode: (type, message) => encoder.encode(JSON.stringify(toNamed(type, message, String))),
  decode: (type, bytes) => fromNamed(type, bytes.length === 0 ? {} : parse(type.name, bytes)),
};

function parse(name: string, bytes: Uint8Array): unknown {
  if (isTooDeep(bytes)) throw new ImError("BODY_INVALID", `Cannot read ${name}: JSON nests over ${MAX_DEPTH} deep`);
  const text = readText(bytes, 0, bytes.length);
  if (text === undefined) throw new ImError("BODY_INVALID", `Cannot read ${name}: not UTF-8`);
  try {
    return JSON.parse(text);
  } catch {
    // The engine's message quotes the text: not for logs.
    throw new ImError("BODY_INVALID", `Cannot read ${name}: not JSON`);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const BRACKET = 0x5b; // [ and ], with 0x20 more { and }

/** Before the engine's parser sees it: how it bears deep nesting is its own affair. */
function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  let quoted = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) quoted = !quoted;
    else if (quoted) {
      if (byte === BACKSLASH) at++;
    } else if ((byte & 0xdf) === BRACKET) {
      if (++depth > MAX_DEPTH) return true;
    } else if ((byte & 0xdf) === BRACKET + 2) depth--;
  }
  return false;
}
