// A little over 300 lines: reader and writer stay side by side, as they are one table of fields.
import { ImError } from "../base/errors.ts";
import { Interner } from "./intern.ts";
import { readText, textSize, writeText } from "./utf8.ts";

/** What a logic packet is. Source: proto/common.proto, enum Flag. */
export const FLAG = { REQUEST: 0, RESPONSE: 1, PUSH: 2 } as const;
/** What a meta's value is. The default is INT: a text must say STRING. Source: proto/common.proto, enum MetaType. */
export const META_TYPE = { INT: 0, STRING: 1, FLOAT: 2 } as const;

/** A named value in a header; `type` is one of META_TYPE, or a number of a newer peer. */
export interface Meta {
  readonly key: string;
  readonly value: string;
  readonly type: number;
}

/**
 * The header of a logic packet. `sequence` is a uint32 chosen by the requester and opaque; `status` is a number of
 * protocol/status.ts; `dest` an account or group id. Source: proto/WIRE.md "Header".
 */
export interface Header {
  command: string;
  channelId: string;
  sequence: number;
  flag: number;
  status: number;
  dest: string;
  meta: readonly Meta[];
}

/** The meta list of headers that have none. Shared and frozen. */
export const NO_META: readonly Meta[] = Object.freeze([]);

/** A header with defaults for what `rest` leaves out. All headers are made with the same shape. */
export function makeHeader(command: string, rest?: Partial<Header>): Header {
  if (rest === undefined) {
    return { command, channelId: "", sequence: 0, flag: FLAG.REQUEST, status: 0, dest: "", meta: NO_META };
  }
  return {
    command,
    channelId: rest.channelId ?? "",
    sequence: rest.sequence ?? 0,
    flag: rest.flag ?? FLAG.REQUEST,
    status: rest.status ?? 0,
    dest: rest.dest ?? "",
    meta: rest.meta ?? NO_META,
  };
}

/** Commands and meta keys are few. (Remembering values too costs more than it saves with 40 or more of them.) */
const words = new Interner(256);

// The position behind what the last `size`, `varint`, `tag` or `text` read: they give a value, this is the rest of it.
let next = 0;

/**
 * Reads the header in `bytes[start, end)` as protobufjs would: unknown fields and known fields of another wire type
 * are skipped, the last of a repeated scalar wins, long varints are cut to 32 bits. Groups are refused.
 * @throws {ImError} HEADER_INVALID: not protobuf, text that is not UTF-8, more than `maxMetas` metas.
 */
export function readHeader(bytes: Uint8Array, start: number, end: number, maxMetas: number): Header {
  // hot: per packet
  const header = makeHeader("");
  let metas: Meta[] | undefined;
  let at = start;
  while (at < end) {
    let field = bytes[at++]!;
    if (field > 0x7f) {
      field = tag(bytes, at - 1, end);
      at = next;
    }
    switch (field) {
      case 0x0a: // 1 command, bytes
        header.command = word(bytes, at, end);
        at = next;
        break;
      case 0x12: // 2 channelId, bytes
        header.channelId = text(bytes, at, end);
        at = next;
        break;
      case 0x18: // 3 sequence, varint
        header.sequence = varint(bytes, at, end) >>> 0;
        at = next;
        break;
      case 0x20: // 4 flag, varint
        header.flag = varint(bytes, at, end);
        at = next;
        break;
      case 0x28: // 5 status, varint
        header.status = varint(bytes, at, end);
        at = next;
        break;
      case 0x32: // 6 dest, bytes
        header.dest = text(bytes, at, end);
        at = next;
        break;
      case 0x3a: { // 7 meta, message
        const length = size(bytes, at, end);
        const from = next;
        if (metas === undefined) header.meta = metas = [];
        if (metas.length >= maxMetas) fail(`more than ${maxMetas} metas`);
        metas.push(readMeta(bytes, from, at = from + length));
        break;
      }
      default:
        at = skip(bytes, at, end, field);
    }
  }
  return header;
}

/** Bytes that `writeHeader` will write. */
export function headerSize(h: Header): number {
  let total = textField(h.command) + textField(h.channelId) + textField(h.dest);
  if (h.sequence !== 0) total += 1 + uintSize(h.sequence);
  if (h.flag !== 0) total += 1 + intSize(h.flag);
  if (h.status !== 0) total += 1 + intSize(h.status);
  for (let i = 0; i < h.meta.length; i++) {
    const length = metaSize(h.meta[i]!);
    total += 1 + uintSize(length) + length;
  }
  return total;
}

/** Bytes that `writeHeader` cannot pass, without looking at the texts: three bytes a unit. */
export function headerRoom(h: Header): number {
  // hot: per packet
  let units = h.command.length + h.channelId.length + h.dest.length;
  for (let i = 0; i < h.meta.length; i++) units += 10 + h.meta[i]!.key.length + h.meta[i]!.value.length;
  return 48 + 3 * units;
}

/**
 * Writes the header at `at`, fields in ascending order, defaults left out; gives the position behind it.
 * There must be `headerSize(h)` bytes of room.
 */
export function writeHeader(h: Header, out: Uint8Array, at: number): number {
  // hot: per packet
  if (h.command !== "") at = putText(out, at, 0x0a, h.command);
  if (h.channelId !== "") at = putText(out, at, 0x12, h.channelId);
  if (h.sequence !== 0) at = putUint(out, at, 0x18, h.sequence);
  if (h.flag !== 0) at = putInt(out, at, 0x20, h.flag);
  if (h.status !== 0) at = putInt(out, at, 0x28, h.status);
  if (h.dest !== "") at = putText(out, at, 0x32, h.dest);
  for (let i = 0; i < h.meta.length; i++) {
    out[at] = 0x3a;
    at = putMeta(h.meta[i]!, out, at + 1);
  }
  return at;
}

/** A meta with its length in front: one byte is left for it, the content moves when it needs more. */
function putMeta(meta: Meta, out: Uint8Array, at: number): number {
  const start = at + 1;
  let end = start;
  if (meta.key !== "") end = putText(out, end, 0x0a, meta.key);
  if (meta.value !== "") end = putText(out, end, 0x12, meta.value);
  if (meta.type !== 0) end = putInt(out, end, 0x18, meta.type);
  const length = end - start;
  if (length < 0x80) {
    out[at] = length;
    return end;
  }
  const more = uintSize(length) - 1;
  out.copyWithin(start + more, start, end);
  putVarint(out, at, length);
  return end + more;
}

function readMeta(bytes: Uint8Array, start: number, end: number): Meta {
  let key = "";
  let value = "";
  let type = 0;
  let at = start;
  while (at < end) {
    let field = bytes[at++]!;
    if (field > 0x7f) {
      field = tag(bytes, at - 1, end);
      at = next;
    }
    switch (field) {
      case 0x0a:
        key = word(bytes, at, end);
        at = next;
        break;
      case 0x12:
        value = text(bytes, at, end);
        at = next;
        break;
      case 0x18:
        type = varint(bytes, at, end);
        at = next;
        break;
      default:
        at = skip(bytes, at, end, field);
    }
  }
  return { key, value, type };
}

function word(bytes: Uint8Array, at: number, end: number): string {
  const length = size(bytes, at, end);
  const from = next;
  next = from + length;
  return words.read(bytes, from, next) ?? fail("text is not UTF-8");
}

function text(bytes: Uint8Array, at: number, end: number): string {
  const length = size(bytes, at, end);
  const from = next;
  next = from + length;
  return readText(bytes, from, next) ?? fail("text is not UTF-8");
}

/** A length that stays below `end`. At most five bytes and 31 bits, as protobufjs has it. */
function size(bytes: Uint8Array, at: number, end: number): number {
  let length = at < end ? bytes[at++]! : fail("it ends inside a length");
  if (length > 0x7f) {
    length &= 0x7f;
    for (let shift = 7;; shift += 7) {
      const byte = at < end ? bytes[at++]! : fail("it ends inside a length");
      if (shift === 28 && byte > 7) fail("length over 31 bits");
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
  }
  if (length > end - at) fail(`length is ${length}, ${end - at} bytes are left`);
  next = at;
  return length;
}

/** A varint of one to ten bytes, cut to its low 32 bits (signed). */
function varint(bytes: Uint8Array, at: number, end: number): number {
  let value = at < end ? bytes[at++]! : fail("it ends inside a number");
  if (value > 0x7f) {
    value &= 0x7f;
    for (let shift = 7;; shift += 7) {
      if (shift === 70) fail("number over ten bytes");
      const byte = at < end ? bytes[at++]! : fail("it ends inside a number");
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
  }
  next = at;
  return value;
}

/** A field tag of more than one byte: at most five and 32 bits. */
function tag(bytes: Uint8Array, at: number, end: number): number {
  let value = bytes[at++]! & 0x7f;
  for (let shift = 7;; shift += 7) {
    const byte = at < end ? bytes[at++]! : fail("it ends inside a tag");
    if (shift === 28 && byte > 15) fail("tag over 32 bits");
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  next = at;
  return value >>> 0;
}

/** The position behind a field that is not ours. */
function skip(bytes: Uint8Array, at: number, end: number, field: number): number {
  if (field >>> 3 === 0) fail("field number 0");
  switch (field & 7) {
    case 0:
      do if (at >= end) fail("it ends inside a number"); while (bytes[at++]! > 0x7f);
      return at;
    case 1:
      at += 8;
      break;
    case 2:
      at = size(bytes, at, end) + next;
      break;
    case 5:
      at += 4;
      break;
    default:
      fail(`wire type ${field & 7}`);
  }
  if (at > end) fail("it ends inside a field");
  return at;
}

function textField(value: string): number {
  if (value === "") return 0;
  const length = textSize(value);
  return 1 + uintSize(length) + length;
}

function metaSize(meta: Meta): number {
  return textField(meta.key) + textField(meta.value) + (meta.type === 0 ? 0 : 1 + intSize(meta.type));
}

function uintSize(value: number): number {
  value >>>= 0;
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;
}

/** Negative int32 and enum values take ten bytes. */
function intSize(value: number): number {
  return (value | 0) < 0 ? 10 : uintSize(value);
}

function putText(out: Uint8Array, at: number, field: number, value: string): number {
  out[at++] = field;
  if (value.length > 0x2a) { // three bytes a unit could need a second length byte
    at = putVarint(out, at, textSize(value));
    return writeText(value, out, at);
  }
  const end = writeText(value, out, at + 1);
  out[at] = end - at - 1;
  return end;
}

function putUint(out: Uint8Array, at: number, field: number, value: number): number {
  out[at++] = field;
  return putVarint(out, at, value >>> 0);
}

function putInt(out: Uint8Array, at: number, field: number, value: number): number {
  out[at++] = field;
  if ((value | 0) >= 0) return putVarint(out, at, value | 0);
  let low = value | 0;
  for (let i = 0; i < 4; i++, low >>= 7) out[at++] = low & 0x7f | 0x80;
  out[at++] = low & 0x0f | 0xf0; // bits 28 to 34: the sign is all ones from here on
  for (let i = 0; i < 4; i++) out[at++] = 0xff;
  out[at++] = 1;
  return at;
}

function putVarint(out: Uint8Array, at: number, value: number): number {
  while (value > 0x7f) {
    out[at++] = value & 0x7f | 0x80;
    value >>>= 7;
  }
  out[at++] = value;
  return at;
}

function fail(why: string): never {
  throw new ImError("HEADER_INVALID", `Cannot read header: ${why}`);
}
