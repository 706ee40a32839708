/** From here on words are worth the view they need: 160 bytes on Bun, 70 on Deno (measured). */
const WORDS = 128;

/**
 * Masks or unmasks `bytes[from, to)` in place (RFC 6455 section 5.3). `key` is big-endian; `seen` bytes of the payload
 * came before `from`.
 */
export function mask(bytes: Uint8Array, from: number, to: number, key: number, seen: number): void {
  // hot: per frame
  if (key === 0) return;
  key = turn(key, seen & 3);
  let at = from;
  if (to - from >= WORDS) {
    const odd = -(bytes.byteOffset + from) & 3; // bytes before the first whole word
    mask(bytes, from, from + odd, key, 0);
    key = turn(key, odd);
    at += odd;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + at, to - at >> 2);
    const native = LITTLE ? swap(key) : key;
    for (let i = 0; i < words.length; i++) words[i]! ^= native;
    at += words.length << 2;
  }
  const a = key >>> 24;
  const b = key >>> 16 & 255;
  const c = key >>> 8 & 255;
  const d = key & 255;
  for (; at + 4 <= to; at += 4) {
    bytes[at]! ^= a;
    bytes[at + 1]! ^= b;
    bytes[at + 2]! ^= c;
    bytes[at + 3]! ^= d;
  }
  if (at < to) bytes[at++]! ^= a;
  if (at < to) bytes[at++]! ^= b;
  if (at < to) bytes[at]! ^= c;
}

const LITTLE = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** The key as it stands after that many bytes, 0 to 3. */
function turn(key: number, bytes: number): number {
  return bytes === 0 ? key : key << 8 * bytes | key >>> 32 - 8 * bytes;
}

function swap(value: number): number {
  return value << 24 | (value & 0xff00) << 8 | value >>> 8 & 0xff00 | value >>> 24;
}
