import { Buffer } from "node:buffer";

/**
 * Bytes between the calling thread and the store's workers: big-endian numbers, texts as `u32 length | UTF-8`.
 * Both ends are this build, so there is no version and no check; what travels is described in `messages.ts`.
 */

const encoder = new TextEncoder();
/** Short texts are mostly ASCII: a loop is faster than the encoder, on both runtimes. */
const SHORT = 40;

/** Writes into one buffer that grows. hot: per message */
export class Packer {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #at = 0;

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#at;
  }

  /** The buffer, ready to be transferred; bytes behind `length` are zeros. The packer is spent. */
  get buffer(): ArrayBuffer {
    return this.#bytes.buffer;
  }

  u8(value: number): void {
    if (this.#at + 1 > this.#bytes.length) this.#grow(1);
    this.#bytes[this.#at++] = value;
  }

  i32(value: number): void {
    if (this.#at + 4 > this.#bytes.length) this.#grow(4);
    this.#view.setInt32(this.#at, value);
    this.#at += 4;
  }

  /** A whole number up to 2^53. */
  num(value: number): void {
    if (this.#at + 8 > this.#bytes.length) this.#grow(8);
    this.#view.setFloat64(this.#at, value);
    this.#at += 8;
  }

  i64(value: bigint): void {
    if (this.#at + 8 > this.#bytes.length) this.#grow(8);
    this.#view.setBigInt64(this.#at, value);
    this.#at += 8;
  }

  text(value: string): void {
    const length = value.length;
    if (this.#at + 4 + length * 3 > this.#bytes.length) this.#grow(4 + length * 3);
    const start = this.#at + 4;
    let i = 0;
    if (length <= SHORT) {
      for (; i < length; i++) {
        const code = value.charCodeAt(i);
        if (code > 127) break;
        this.#bytes[start + i] = code;
      }
    }
    const written = i === length ? length : encoder.encodeInto(value, this.#bytes.subarray(start)).written;
    this.#view.setInt32(this.#at, written);
    this.#at = start + written;
  }

  /** The rest of that unpacker's part, with its length before it. */
  part(bytes: Uint8Array): void {
    if (this.#at + 4 + bytes.length > this.#bytes.length) this.#grow(4 + bytes.length);
    this.#view.setInt32(this.#at, bytes.length);
    this.#bytes.set(bytes, this.#at + 4);
    this.#at += 4 + bytes.length;
  }

  #grow(by: number): void {
    const bytes = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + by));
    bytes.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/** Reads what a Packer wrote, in the same order. hot: per message */
export class Unpacker {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: ArrayBuffer | Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes instanceof ArrayBuffer
      ? Buffer.from(bytes)
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  }

  u8(): number {
    return this.#bytes[this.#at++]!;
  }

  i32(): number {
    this.#at += 4;
    return this.#view.getInt32(this.#at - 4);
  }

  num(): number {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8);
  }

  i64(): bigint {
    this.#at += 8;
    return this.#view.getBigInt64(this.#at - 8);
  }

  text(): string {
    const start = this.#at + 4;
    this.#at = start + this.#view.getInt32(this.#at);
    return this.#at === start ? "" : this.#bytes.toString("utf8", start, this.#at);
  }

  /** A view of what `part` wrote; it shares memory with this unpacker. */
  part(): Uint8Array {
    const start = this.#at + 4;
    this.#at = start + this.#view.getInt32(this.#at);
    return this.#bytes.subarray(start, this.#at);
  }
}
