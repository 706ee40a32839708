/**
 * The part of protobufjs/minimal that src/protocol/wire.ts stands on, for pages: package.json `browser` lets bundlers
 * take this in place of the whole, which would be two fifths of the SDK. It reads, writes and refuses the same, which
 * protobuf_browser.test.ts holds it to; servers run protobufjs itself. Made for size, not for speed.
 */
class Reader {
  buf: Uint8Array;
  pos = 0;
  len: number;

  constructor(buf: Uint8Array) {
    this.buf = buf;
    this.len = buf.length;
  }

  uint32(): number {
    return this.#varint(10, 255);
  }

  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte();
      value |= byte & 127;
      if (byte < 128) return value !== 0;
    }
    throw new Error("invalid varint encoding");
  }

  tag(): number {
    return this.#varint(5, 15);
  }

  size(): number {
    return this.#varint(5, 7);
  }

  uint32s(into: number[]): number[] {
    const end = this.size() + this.pos;
    const outer = this.len;
    if (end > outer) throw new RangeError("index out of range");
    this.len = end;
    while (this.pos < end) into.push(this.uint32());
    this.len = outer;
    return into;
  }

  skipType(wireType: number, depth = 0, field?: number): this {
    if (depth > 100) throw new Error("max depth exceeded");
    if (field === 0) throw new Error("illegal tag: field number 0");
    switch (wireType) {
      case 0:
        while (this.#byte() > 127);
        break;
      case 1:
        this.#skip(8);
        break;
      case 2:
        this.#skip(this.size());
        break;
      case 3:
        for (let tag = this.tag(); (tag & 7) !== 4 || tag >>> 3 !== field; tag = this.tag()) {
          if ((tag & 7) === 4) throw new Error("invalid end group tag");
          this.skipType(tag & 7, depth + 1, tag >>> 3);
        }
        break;
      case 5:
        this.#skip(4);
        break;
      default:
        throw new Error(`invalid wire type ${wireType}`);
    }
    return this;
  }

  /** At most `most` bytes, of which the fifth may be at most `last`; what passes 32 bits is dropped. */
  #varint(most: number, last: number): number {
    let value = 0;
    for (let i = 0; i < most; i++) {
      const byte = this.#byte();
      if (i === 4 && byte > last) break;
      if (i < 5) value |= (byte & 127) << 7 * i;
      if (byte < 128) return value >>> 0;
    }
    throw new Error("invalid varint encoding");
  }

  #byte(): number {
    if (this.pos >= this.len) throw new RangeError("index out of range");
    return this.buf[this.pos++]!;
  }

  #skip(bytes: number): void {
    if (this.pos + bytes > this.len) throw new RangeError("index out of range");
    this.pos += bytes;
  }
}

class Writer {
  buf = new Uint8Array(128);
  pos = 0;
  readonly #forks: number[] = [];

  uint32(value: number): this {
    return this.#varint(value, 0);
  }

  int32(value: number): this {
    return this.#varint(value, value >> 31);
  }

  int64({ low, high }: { readonly low: number; readonly high: number }): this {
    return this.#varint(low, high);
  }

  bool(value: boolean): this {
    return this.uint32(value ? 1 : 0);
  }

  uint32s(values: readonly number[]): this {
    this.fork();
    for (const value of values) this.uint32(value);
    return this.ldelim();
  }

  /** What follows, up to `ldelim`, gets its length in front. */
  fork(): this {
    this.#forks.push(this.pos);
    return this;
  }

  ldelim(): this {
    const start = this.#forks.pop() ?? 0;
    const content = this.buf.slice(start, this.pos);
    this.pos = start;
    this.uint32(content.length);
    this.#room(content.length);
    this.buf.set(content, this.pos);
    this.pos += content.length;
    return this;
  }

  /** The 64 bits of two halves. */
  #varint(low: number, high: number): this {
    this.#room(10);
    low >>>= 0;
    high >>>= 0;
    while (high || low > 127) {
      this.buf[this.pos++] = low & 127 | 128;
      low = (low >>> 7 | high << 25) >>> 0;
      high >>>= 7;
    }
    this.buf[this.pos++] = low;
    return this;
  }

  #room(bytes: number): void {
    if (this.pos + bytes <= this.buf.length) return;
    const larger = new Uint8Array(Math.max(2 * this.buf.length, this.pos + bytes));
    larger.set(this.buf);
    this.buf = larger;
  }
}

export default { Reader, Writer };
