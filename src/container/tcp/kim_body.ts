/** Fields from here on are ours. Source: proto/WIRE.md "Additions". */
const OURS = 100;

/**
 * A protobuf body without the fields that KIM does not have, so that its gateways see exactly its bytes. What is no
 * protobuf comes back as it is.
 */
export function withoutAdditions(body: Uint8Array): Uint8Array {
  let kept = 0;
  let out: Uint8Array | undefined;
  for (let at = 0; at < body.length;) {
    const start = at;
    const tag = varint(body, at);
    if (tag === undefined) return body;
    const end = endOf(body, at = tag.next, tag.value & 7);
    if (end === undefined) return body;
    at = end;
    if (tag.value >>> 3 >= OURS) out ??= body.slice(); // what came before stays
    else {
      if (out) out.set(body.subarray(start, end), kept);
      kept += end - start;
    }
  }
  return out ? out.subarray(0, kept) : body;
}

/** Where a field of that wire type ends; undefined: not within the body. */
function endOf(body: Uint8Array, at: number, wire: number): number | undefined {
  if (wire === 1 || wire === 5) {
    const end = at + (wire === 1 ? 8 : 4);
    return end <= body.length ? end : undefined;
  }
  const number = varint(body, at);
  if (number === undefined || wire === 0) return number?.next;
  const end = number.next + number.value;
  return wire === 2 && end <= body.length ? end : undefined;
}

/** Up to ten bytes; of the value the low 32 bits. */
function varint(body: Uint8Array, at: number): { value: number; next: number } | undefined {
  let value = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = body[at++];
    if (byte === undefined) return undefined;
    if (shift < 32) value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return { value: value >>> 0, next: at };
  }
  return undefined;
}
