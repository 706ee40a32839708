/** From here on words are worth the view they need (measured, both runtimes). */
const WORDS = 96;

/**
 * Masks or unmasks `bytes[from, to)` in place (RFC 6455 section 5.3). `key` is big-endian; `seen` bytes of the payload
 * came before `from`.
 */
export function mask(bytes: Uint8Array, from: number, to: number, key: number, seen: number): void {
  if (key === 0) return;
  const shift = seen & 3;
  if (shift !== 0) key = key << 8 * shift | key >>> 32 - 8 * shift;
  let at = from;
  if (to - from >= WORDS) {
    while ((bytes.byteOffset + at & 3) !== 0) {
      bytes[at]! ^= key >>> 24;
      at++;
      key = key << 8 | key >>> 24;
    }
    const count = to - at >> 2;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, count);
    const native = LITTLE ? swap(key) : key;
    for (let i = 0; i < count; i++) words[i]! ^= native;
    at += count << 2;
  }
  for (; at < to; at++) {
    bytes[at]! ^= key >>> 24;
    key = key << 8 | key >>> 24;
  }
}

const LITTLE = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

function swap(value: number): number {
  return value << 24 | (value & 0xff00) << 8 | value >>> 8 & 0xff00 | value >>> 24;
}
