import { ImError } from "../../base/errors.ts";
import type { Content } from "../../protocol/body_codec.ts";

/** Media types of answers. */
export const TYPE: Readonly<Record<Content, string>> = {
  protobuf: "application/x-protobuf",
  json: "application/json; charset=utf-8",
  msgpack: "application/msgpack",
};

/** What a request wants; what it does not name, or names wrongly, is JSON. */
export function acceptOf(header: string | undefined): Content {
  if (header?.includes("protobuf")) return "protobuf";
  return header?.includes("msgpack") ? "msgpack" : "json";
}

/** How a request's body is written; without a body it does not matter. @throws {ImError} INVALID_BODY */
export function contentOfType(header: string | undefined, body: Uint8Array): Content {
  if (body.length === 0) return "protobuf";
  const type = header?.split(";")[0]?.trim().toLowerCase() ?? "application/json";
  if (/^application\/(x-|vnd\.google\.)?protobuf$/.test(type)) return "protobuf";
  if (/^application\/(x-|vnd\.)?msgpack$/.test(type)) return "msgpack";
  if (/^(application|text)\/json$/.test(type)) return "json";
  throw new ImError("INVALID_BODY", `Cannot read request: its content type is ${type.slice(0, 60)}`);
}
