// MessagePack for clients that ask for it by `content`; by itself, so that only their bundles have it.
export type { BodyCodec } from "../protocol/body_codec.ts";
export { msgpack } from "../protocol/msgpack.ts";
