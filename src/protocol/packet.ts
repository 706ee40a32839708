import { allocate } from "../base/bytes.ts";
import { ImError } from "../base/errors.ts";
import { type Header, headerRoom, readHeader, writeHeader } from "./header.ts";
import { LIMITS, type Limits } from "./limits.ts";

/** A request, response or push. `body` is a view into the bytes it was read from. */
export interface LogicPacket {
  readonly kind: "logic";
  readonly header: Header;
  readonly body: Uint8Array;
}

/** A heartbeat; `code` is one of BASIC or unknown. `body` is a view. */
export interface BasicPacket {
  readonly kind: "basic";
  readonly code: number;
  readonly body: Uint8Array;
}

/** Codes of a basic packet. */
export const BASIC = { PING: 1, PONG: 2 } as const;

/** The body of packets that have none. */
export const NO_BODY: Uint8Array = new Uint8Array(0);

const LOGIC_MAGIC = 0xc311a365 | 0;
const BASIC_MAGIC = 0xc315a765 | 0;

/**
 * Reads one packet; bytes after it are ignored.
 * `logic: c311a365 | header length u32 | header | body length u32 | body`, `basic: c315a765 | code u16 | length u16 |
 * body`, big-endian. Source: proto/WIRE.md "Packets".
 * @throws {ImError} BAD_MAGIC, PACKET_TRUNCATED, HEADER_TOO_LARGE, HEADER_INVALID. Nothing is allocated from a length.
 */
export function decodePacket(bytes: Uint8Array, limits: Limits): LogicPacket | BasicPacket {
  // hot: per packet
  if (bytes.length < 8) throw short(bytes, 8);
  const magic = int32(bytes, 0);
  if (magic === LOGIC_MAGIC) {
    const header = int32(bytes, 4) >>> 0;
    if (header > limits.headerBytes) {
      throw new ImError("HEADER_TOO_LARGE", `Cannot read packet: header is ${header}, limit is ${limits.headerBytes}`);
    }
    const at = 12 + header;
    if (bytes.length < at) throw short(bytes, at);
    const body = int32(bytes, at - 4) >>> 0;
    if (bytes.length - at < body) throw short(bytes, at + body);
    return {
      kind: "logic",
      header: readHeader(bytes, 8, 8 + header, limits.metas),
      body: body === 0 ? NO_BODY : bytes.subarray(at, at + body),
    };
  }
  if (magic === BASIC_MAGIC) {
    const length = bytes[6]! << 8 | bytes[7]!;
    if (bytes.length - 8 < length) throw short(bytes, 8 + length);
    const body = length === 0 ? NO_BODY : bytes.subarray(8, 8 + length);
    return { kind: "basic", code: bytes[4]! << 8 | bytes[5]!, body };
  }
  throw new ImError("BAD_MAGIC", `Cannot read packet: it starts with ${(magic >>> 0).toString(16).padStart(8, "0")}`);
}

/** A logic packet in one array of exactly its size (`allocate` of base/bytes.ts). */
export function encodeLogic(header: Header, body: Uint8Array): Uint8Array {
  // hot: per packet. The head is written once into `scratch` and copied: cheaper than measuring its texts first.
  const room = 12 + headerRoom(header);
  const head = room <= scratch.length ? scratch : new Uint8Array(room);
  const end = writeHeader(header, head, 8);
  putInt32(head, 0, LOGIC_MAGIC);
  putInt32(head, 4, end - 8);
  putInt32(head, end, body.length);
  const out = allocate(end + 4 + body.length);
  out.set(head.subarray(0, end + 4));
  if (body.length > 0) out.set(body, end + 4);
  return out;
}

const scratch = new Uint8Array(8192);

/** A basic packet; `body` up to 65535 bytes. */
export function encodeBasic(code: number, body: Uint8Array = NO_BODY): Uint8Array {
  if (body.length > 0xffff) {
    throw new ImError("BODY_INVALID", `Cannot write basic packet: body is ${body.length} bytes`);
  }
  const out = allocate(8 + body.length);
  putInt32(out, 0, BASIC_MAGIC);
  out[4] = code >> 8;
  out[5] = code;
  out[6] = body.length >> 8;
  out[7] = body.length;
  out.set(body, 8);
  return out;
}

/** Ready-made heartbeats. Shared: never written to. */
export const PING: Uint8Array = encodeBasic(BASIC.PING);
/** See `PING`. */
export const PONG: Uint8Array = encodeBasic(BASIC.PONG);

/**
 * A copy of a logic packet with some header fields replaced; the body's bytes are not looked at.
 * @throws {ImError} as decodePacket; BAD_MAGIC for a basic packet.
 */
export function restamp(packet: Uint8Array, patch: Partial<Header>, limits: Limits = LIMITS.link): Uint8Array {
  const read = decodePacket(packet, limits);
  if (read.kind === "basic") throw new ImError("BAD_MAGIC", "Cannot restamp packet: it is a basic packet");
  return encodeLogic(Object.assign(read.header, patch), read.body);
}

function int32(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!;
}

function putInt32(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
}

function short(bytes: Uint8Array, needed: number): ImError {
  return new ImError("PACKET_TRUNCATED", `Cannot read packet: ${bytes.length} bytes of ${needed}`);
}
