import protobuf from "protobufjs/minimal.js";
import { allocate } from "../base/bytes.ts";
import { readText, textSize, writeText } from "./utf8.ts";

// 64-bit fields are bigint in and out: one scratch word of two views turns halves into a bigint and back.
const word = new BigInt64Array(1);
const halves = new Int32Array(word.buffer);
const LITTLE = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
const LOW = LITTLE ? 0 : 1;
const HIGH = LITTLE ? 1 : 0;

/** One field of a message, for forms that name their fields (src/protocol/named_fields.ts). */
export interface BodyField {
  /** camelCase, as in the objects of gen/. */
  readonly name: string;
  /** As the .proto file has it; left out when that is the same. */
  readonly declared?: string;
  /** Of repeated fields: of each element. A function gives the type of a message field. */
  readonly kind: "string" | "int32" | "uint32" | "bool" | "int64" | (() => BodyType<object>);
  readonly repeated?: true;
}

/** What the code in gen/ gives and takes: a message's two functions. `encode` leaves defaults out. */
export interface BodyType<T> {
  readonly name: string;
  readonly fields: readonly BodyField[];
  encode(message: Partial<T>, writer: BodyWriter): void;
  /** Reads up to `end`, into `into` when the field came before (protobuf merges them). Every field is set. */
  decode(reader: BodyReader, end: number, into?: T): T;
}

/** protobufjs' reader with bigint for 64-bit fields. Throws plain errors; `decodeBody` gives them a code. */
export class BodyReader extends protobuf.Reader {
  override stringVerify(): string {
    const end = this.#enter();
    const start = this.pos;
    this.pos = end;
    const text = readText(this.buf, start, end);
    if (text === undefined) throw new TypeError("text is not UTF-8");
    return text;
  }

  /** An int64 varint; ten bytes at most, cut to 64 bits. */
  bigint(): bigint {
    const bytes = this.buf;
    let at = this.pos;
    let low = 0;
    let high = 0;
    for (let shift = 0;; shift += 7) {
      if (at >= this.len || shift === 70) throw new RangeError("number does not end");
      const byte = bytes[at++]!;
      if (shift < 28) low |= (byte & 0x7f) << shift;
      else if (shift === 28) {
        low |= byte << 28;
        high = (byte & 0x7f) >> 4;
      } else high |= (byte & 0x7f) << shift - 32;
      if (byte < 0x80) break;
    }
    this.pos = at;
    halves[LOW] = low;
    halves[HIGH] = high;
    return word[0]!;
  }

  /** Packed int64 values, behind those that came before. */
  bigints(into: bigint[]): void {
    const end = this.#enter();
    const outer = this.len;
    this.len = end;
    while (this.pos < end) into.push(this.bigint());
    this.len = outer;
  }

  /** A message of known length; reading cannot leave it. */
  message<T>(type: BodyType<T>, into?: T): T {
    const end = this.#enter();
    const outer = this.len;
    this.len = end;
    const message = type.decode(this, end, into);
    this.len = outer;
    return message;
  }

  #enter(): number {
    const end = this.size() + this.pos;
    if (end > this.len) throw new RangeError("length passes the end");
    return end;
  }
}

/** A writer that was used for more than this gives its buffer back. */
const KEPT = 64 << 10;

/**
 * protobufjs' writer with bigint for 64-bit fields; lone surrogates are written as U+FFFD. One writer serves one body
 * after the other: `take` starts it over.
 */
export class BodyWriter extends protobuf.Writer {
  /** The bytes written, as an array of their own. */
  take(): Uint8Array {
    const length = this.pos;
    const out = allocate(length);
    out.set(this.buf.subarray(0, length));
    this.pos = 0;
    if (this.buf.length > KEPT) this.buf = new Uint8Array(KEPT);
    return out;
  }

  /** A tag: field number and wire type in one. */
  field(tag: number): this {
    super.uint32(tag);
    return this;
  }

  override string(value: string): this {
    if (value.length <= 42) { // three bytes a unit: the length takes one byte
      this.#room(3 * value.length + 1);
      const start = this.pos + 1;
      this.pos = writeText(value, this.buf, start);
      this.buf[start - 1] = this.pos - start;
    } else {
      const size = textSize(value);
      super.uint32(size);
      this.#room(size);
      this.pos = writeText(value, this.buf, this.pos);
    }
    return this;
  }

  /** An int64 varint, cut to 64 bits. @throws {TypeError} when handed a number: it may have lost digits. */
  bigint(value: bigint): this {
    word[0] = value;
    long.low = halves[LOW]!;
    long.high = halves[HIGH]!;
    super.int64(long);
    return this;
  }

  /** Packed int64 values, with their length. */
  bigints(values: readonly bigint[]): this {
    this.fork();
    for (const value of values) this.bigint(value);
    this.ldelim();
    return this;
  }

  message<T>(type: BodyType<T>, value: Partial<T>): this {
    this.fork();
    type.encode(value, this);
    this.ldelim();
    return this;
  }

  #room(bytes: number): void {
    if (this.buf.length - this.pos >= bytes) return;
    const larger = new Uint8Array(Math.max(2 * this.buf.length, this.pos + bytes));
    larger.set(this.buf);
    this.buf = larger;
  }
}

const long = { low: 0, high: 0, unsigned: false } as protobuf.Long;
