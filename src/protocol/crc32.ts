const table = new Int32Array(256);
for (let n = 0; n < 256; n++) {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? value >>> 1 ^ 0xedb88320 : value >>> 1;
  table[n] = value;
}

const encoder = new TextEncoder();

/** CRC-32/IEEE of a text's UTF-8 bytes, or of bytes; unsigned. Picks zones, servers and gateways. */
export function crc32(of: string | Uint8Array): number {
  let crc = -1;
  if (typeof of !== "string") {
    for (let i = 0; i < of.length; i++) crc = crc >>> 8 ^ table[(crc ^ of[i]!) & 0xff]!;
    return ~crc >>> 0;
  }
  // Most names are ASCII: the encoder costs more than the sum.
  for (let i = 0; i < of.length; i++) {
    const code = of.charCodeAt(i);
    if (code > 0x7f) return crc32(encoder.encode(of));
    crc = crc >>> 8 ^ table[(crc ^ code) & 0xff]!;
  }
  return ~crc >>> 0;
}
