/**
 * Just enough protobuf for the load tool. It has its own reader and writer on purpose: a judge that shared the
 * server's codec could not see that codec's mistakes.
 */
export interface Field {
  readonly number: number;
  /** Wire type 0: the number; wire types 1 and 5: raw little-endian. */
  readonly varint: bigint;
  /** Wire type 2: the bytes (a view); empty otherwise. */
  readonly bytes: Uint8Array;
}

const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** All fields in their order. @throws {Error} when the bytes are no protobuf message. */
export function readFields(bytes: Uint8Array, start = 0, end = bytes.length): Field[] {
  const fields: Field[] = [];
  let at = start;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (at >= end) throw new Error(`Cannot read protobuf: varint is cut off at byte ${at - start}`);
      const byte = bytes[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new Error(`Cannot read protobuf: varint is longer than 10 bytes at byte ${at - start}`);
  };
  while (at < end) {
    const tag = Number(varint());
    const wire = tag & 7;
    if (wire === 0) fields.push({ number: tag >>> 3, varint: varint(), bytes: NOTHING });
    else if (wire === 2) {
      const length = Number(varint());
      if (length > end - at) throw new Error(`Cannot read protobuf: field of ${length} bytes, ${end - at} left`);
      fields.push({ number: tag >>> 3, varint: 0n, bytes: bytes.subarray(at, at += length) });
    } else if (wire === 1 || wire === 5) {
      const width = wire === 1 ? 8 : 4;
      if (width > end - at) throw new Error(`Cannot read protobuf: fixed field is cut off at byte ${at - start}`);
      let value = 0n;
      for (let i = width - 1; i >= 0; i--) value = value << 8n | BigInt(bytes[at + i]!);
      at += width;
      fields.push({ number: tag >>> 3, varint: value, bytes: NOTHING });
    } else throw new Error(`Cannot read protobuf: wire type ${wire} at byte ${at - start}`);
  }
  return fields;
}

/** A message by field number. Absent fields read as "", 0, 0n or no bytes; of repeated ones the last counts. */
export class Message {
  readonly fields: readonly Field[];
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.fields = readFields(bytes, start, end);
  }
  #last(number: number): Field | undefined {
    return this.fields.findLast((field) => field.number === number);
  }
  text(number: number): string {
    return decoder.decode(this.#last(number)?.bytes ?? NOTHING);
  }
  bytes(number: number): Uint8Array {
    return this.#last(number)?.bytes ?? NOTHING;
  }
  uint(number: number): number {
    return Number(this.#last(number)?.varint ?? 0n);
  }
  int64(number: number): bigint {
    return BigInt.asIntN(64, this.#last(number)?.varint ?? 0n);
  }
  /** Every occurrence of a repeated message field. */
  messages(number: number): Message[] {
    return this.fields.filter((field) => field.number === number).map((field) => new Message(field.bytes));
  }
  /** A repeated int64, packed or not. */
  int64s(number: number): bigint[] {
    return this.fields.filter((field) => field.number === number).flatMap((field) =>
      field.bytes.length === 0 ? [BigInt.asIntN(64, field.varint)] : readVarints(field.bytes)
    );
  }
}

function readVarints(bytes: Uint8Array): bigint[] {
  const values: bigint[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte < 128) {
      values.push(BigInt.asIntN(64, value));
      value = shift = 0n;
    }
  }
  return values;
}

/** Builds a message; proto3 defaults are left out as every encoder does. Not for the hot path. */
export class MessageWriter {
  readonly #out: number[] = [];

  #varint(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    while (rest > 127n) {
      this.#out.push(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    this.#out.push(Number(rest));
  }
  int(number: number, value: bigint | number): this {
    if (BigInt(value) !== 0n) {
      this.#varint(BigInt(number << 3));
      this.#varint(BigInt(value));
    }
    return this;
  }
  /** Also an empty one, when `always`. */
  bytes(number: number, value: Uint8Array, always = false): this {
    if (value.length > 0 || always) {
      this.#varint(BigInt(number << 3 | 2));
      this.#varint(BigInt(value.length));
      for (const byte of value) this.#out.push(byte);
    }
    return this;
  }
  text(number: number, value: string): this {
    return this.bytes(number, encoder.encode(value));
  }
  /** Packed. */
  int64s(number: number, values: readonly bigint[]): this {
    const packed = new MessageWriter();
    for (const value of values) packed.#varint(value);
    return this.bytes(number, packed.done());
  }
  done(): Uint8Array {
    return Uint8Array.from(this.#out);
  }
}
