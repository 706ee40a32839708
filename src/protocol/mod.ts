// The wire protocol: bytes in, values out and back; no sockets, no clocks. What the words mean: proto/WIRE.md.
export { ImError } from "../base/errors.ts";
export { fromBase36, toBase36 } from "./base36.ts";
export { type BodyType, decodeBody, EMPTY, encodeBody, protobuf } from "./bodies.ts";
export type { BodyCodec, Content } from "./body_codec.ts";
export { type Claims, type Hmac, makeToken, readToken, TokenError, type TokenFault } from "./claims.ts";
export { CLOSE, type CloseName, type CloseReason } from "./close_reason.ts";
export { type Command, commandOf, COMMANDS } from "./commands.ts";
export { contentOf, decodeAs, encodeAs } from "./content.ts";
export { crc32 } from "./crc32.ts";
export { encodeFrame, encodeFrames, FRAME_HEAD, FrameDecoder, frameInto, OPCODE } from "./frame.ts";
export { pkt } from "./gen/pkt.js";
export { rpc } from "./gen/rpc.js";
export {
  FLAG,
  type Header,
  headerSize,
  makeHeader,
  type Meta,
  META_TYPE,
  NO_META,
  readHeader,
  writeHeader,
} from "./header.ts";
export { json } from "./json.ts";
export { LIMITS, type Limits, PAGES, TEXT } from "./limits.ts";
export { decodeLocation, encodeLocation, type LocationValue } from "./location.ts";
export { ALLOWED_FROM_CLIENT, findText, META, textMeta } from "./meta.ts";
export { msgpack } from "./msgpack.ts";
export { codePoints, isName } from "./names.ts";
export {
  BASIC,
  type BasicPacket,
  decodePacket,
  encodeBasic,
  encodeLogic,
  type LogicPacket,
  NO_BODY,
  PING,
  PONG,
  restamp,
} from "./packet.ts";
export { STATUS, type StatusName, statusName } from "./status.ts";
export { wsClosePayload, WsDecoder, WsError, type WsEvents, wsFrame, wsFrames } from "./ws_frame.ts";
