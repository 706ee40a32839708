import { ImError } from "../base/errors.ts";
import { type BodyCodec, MAX_DEPTH } from "./body_codec.ts";
import { Interner } from "./intern.ts";
import { fromNamed, toNamed } from "./named_fields.ts";
import { readText, textSize, writeText } from "./utf8.ts";

/**
 * Bodies as MessagePack: the maps of the JSON form, with 64-bit fields as uint 64 or int 64. Rules: proto/WIRE.md
 * "Contents"; the format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
export const msgpack: BodyCodec = {
  content: "msgpack",
  encode(type, message) {
    const named = toNamed(type, message, (wide) => wide);
    // Nothing in here calls out, so one writer is enough; after an error it is not trusted again.
    const used = writer ?? new Writer();
    writer = undefined;
    used.value(named);
    writer = used;
    return used.take();
  },
  decode(type, bytes) {
    if (bytes.length === 0) return fromNamed(type, {});
    let value: unknown;
    try {
      value = new Reader(bytes).whole();
    } catch (cause) {
      throw new ImError("BODY_INVALID", `Cannot read ${type.name}: not MessagePack`, { cause });
    }
    return fromNamed(type, value);
  },
};

let writer: Writer | undefined;

/** A writer that was used for more than this gives its buffer back. */
const KEPT = 64 << 10;

/** What `toNamed` gives: objects, lists, texts, 32-bit numbers, bigints, true and false. */
class Writer {
  #buffer = new Uint8Array(256);
  #view = new DataView(this.#buffer.buffer);
  #at = 0;

  /** The bytes written, as an array of their own; starts over. */
  take(): Uint8Array {
    const out = this.#buffer.slice(0, this.#at);
    this.#at = 0;
    if (this.#buffer.length > KEPT) {
      this.#buffer = new Uint8Array(KEPT);
      this.#view = new DataView(this.#buffer.buffer);
    }
    return out;
  }

  value(value: unknown): void {
    if (typeof value === "string") this.#text(value);
    else if (typeof value === "number") this.#integer(value);
    else if (typeof value === "bigint") this.#wide(value);
    else if (typeof value === "boolean") this.#byte(value ? 0xc3 : 0xc2);
    else if (Array.isArray(value)) {
      this.#length(value.length, 16, 0x90, 0xdc);
      for (const one of value) this.value(one);
    } else {
      const entries = Object.entries(value as object);
      this.#length(entries.length, 16, 0x80, 0xde);
      for (const [name, one] of entries) {
        this.#text(name);
        this.value(one);
      }
    }
  }

  #text(text: string): void {
    const size = textSize(text);
    if (size < 32) this.#byte(0xa0 | size);
    else if (size < 0x100) this.#number(0xd9, 1, size);
    else if (size < 0x10000) this.#number(0xda, 2, size);
    else this.#number(0xdb, 4, size);
    this.#room(size);
    this.#at = writeText(text, this.#buffer, this.#at);
  }

  #integer(value: number): void {
    if (value >= 0) {
      if (value < 0x80) this.#byte(value);
      else if (value < 0x100) this.#number(0xcc, 1, value);
      else if (value < 0x10000) this.#number(0xcd, 2, value);
      else this.#number(0xce, 4, value);
    } else if (value >= -0x20) this.#byte(value & 0xff);
    else if (value >= -0x80) this.#number(0xd0, 1, value);
    else if (value >= -0x8000) this.#number(0xd1, 2, value);
    else this.#number(0xd2, 4, value);
  }

  #wide(value: bigint): void {
    this.#byte(value < 0n ? 0xd3 : 0xcf);
    this.#room(8);
    this.#view.setBigInt64(this.#at, value);
    this.#at += 8;
  }

  /** Of a list or map: in the tag when small, else in 16 or 32 bits behind it. */
  #length(count: number, small: number, smallTag: number, tag: number): void {
    if (count < small) this.#byte(smallTag | count);
    else if (count < 0x10000) this.#number(tag, 2, count);
    else this.#number(tag + 1, 4, count);
  }

  #byte(byte: number): void {
    this.#room(1);
    this.#buffer[this.#at++] = byte;
  }

  #number(tag: number, size: 1 | 2 | 4, value: number): void {
    this.#byte(tag);
    this.#room(size);
    if (size === 1) this.#buffer[this.#at] = value;
    else if (size === 2) this.#view.setUint16(this.#at, value);
    else this.#view.setUint32(this.#at, value);
    this.#at += size;
  }

  #room(bytes: number): void {
    if (this.#buffer.length - this.#at >= bytes) return;
    const larger = new Uint8Array(Math.max(2 * this.#buffer.length, this.#at + bytes));
    larger.set(this.#buffer);
    this.#buffer = larger;
    this.#view = new DataView(larger.buffer);
  }
}

/** What ext and bin become: nothing that a field of ours could be. */
const FOREIGN = Symbol("neither text nor number");

/**
 * Any MessagePack value: nothing is made room for from a length that was only announced, and what is read takes at
 * least a byte per value. Throws plain errors.
 */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The value that these bytes are, with nothing behind it. */
  whole(): unknown {
    const value = this.#value(0);
    if (this.#at !== this.#bytes.length) throw new RangeError("bytes behind the value");
    return value;
  }

  #value(depth: number): unknown {
    const tag = this.#uint(1);
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.#map(tag & 15, depth);
    if (tag < 0xa0) return this.#list(tag & 15, depth);
    if (tag < 0xc0) return this.#text(tag & 31);
    if (tag >= 0xe0) return tag - 0x100;
    if (tag >= 0xc4 && tag <= 0xc9) return this.#skip(this.#uint(SIZES[(tag - 0xc4) % 3]!) + (tag < 0xc7 ? 0 : 1));
    if (tag >= 0xcc && tag <= 0xce) return this.#uint(SIZES[tag - 0xcc]!);
    if (tag >= 0xd4 && tag <= 0xd8) return this.#skip((1 << tag - 0xd4) + 1);
    if (tag >= 0xd9 && tag <= 0xdb) return this.#text(this.#uint(SIZES[tag - 0xd9]!));
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.#view.getFloat32(this.#step(4));
      case 0xcb:
        return this.#view.getFloat64(this.#step(8));
      case 0xcf:
        return this.#view.getBigUint64(this.#step(8));
      case 0xd0:
        return this.#view.getInt8(this.#step(1));
      case 0xd1:
        return this.#view.getInt16(this.#step(2));
      case 0xd2:
        return this.#view.getInt32(this.#step(4));
      case 0xd3:
        return this.#view.getBigInt64(this.#step(8));
      case 0xdc:
      case 0xdd:
        return this.#list(this.#uint(tag === 0xdc ? 2 : 4), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(tag === 0xde ? 2 : 4), depth);
      default: // 0xc1
        throw new TypeError("a byte that is never used");
    }
  }

  #list(count: number, depth: number): unknown[] {
    if (depth >= MAX_DEPTH) throw new RangeError("nests too deep");
    const list: unknown[] = [];
    for (let i = 0; i < count; i++) list.push(this.#value(depth + 1));
    return list;
  }

  /** Keys that are no texts are names of nothing. */
  #map(count: number, depth: number): object {
    if (depth >= MAX_DEPTH) throw new RangeError("nests too deep");
    const map: Record<string, unknown> = Object.create(null);
    for (let i = 0; i < count; i++) {
      const key = this.#name(depth + 1);
      const value = this.#value(depth + 1);
      if (typeof key === "string") map[key] = value;
    }
    return map;
  }

  /** Short texts, as our names are, come again and again. */
  #name(depth: number): unknown {
    const tag = this.#bytes[this.#at]!;
    if ((tag & 0xe0) !== 0xa0) return this.#value(depth);
    const start = this.#step(1 + (tag & 31)) + 1;
    return checked(names.read(this.#bytes, start, this.#at));
  }

  #text(size: number): string {
    const start = this.#step(size);
    return checked(readText(this.#bytes, start, start + size));
  }

  #skip(size: number): symbol {
    this.#step(size);
    return FOREIGN;
  }

  #uint(size: number): number {
    const at = this.#step(size);
    if (size === 1) return this.#bytes[at]!;
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  /** Where the next `size` bytes start; they are there. */
  #step(size: number): number {
    const at = this.#at;
    if (size > this.#bytes.length - at) throw new RangeError("length passes the end");
    this.#at = at + size;
    return at;
  }
}

const SIZES = [1, 2, 4] as const;
const names = new Interner(128);

function checked(text: string | undefined): string {
  if (text === undefined) throw new TypeError("text is not UTF-8");
  return text;
}
