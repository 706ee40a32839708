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

/** How a request's body is written, JSON if it does not say; undefined: in no way we know. */
export function contentOfType(header: string | undefined): Content | undefined {
  const type = header?.split(";")[0]?.trim().toLowerCase() || "application/json";
  if (/^application\/(x-|vnd\.google\.)?protobuf$/.test(type)) return "protobuf";
  if (/^application\/(x-|vnd\.)?msgpack$/.test(type)) return "msgpack";
  if (/^(application|text)\/json$/.test(type)) return "json";
  return undefined;
}
