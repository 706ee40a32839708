/**
 * UTF-8 for short protocol texts, quick on both runtimes: a char loop for ASCII, the platform's codec for the rest.
 * A byte order mark is kept; lone surrogates are written as U+FFFD.
 */
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Up to here a char loop is faster than the platform's decoder and encoder (measured, both runtimes). */
const LOOP_READ = 24;
const LOOP_WRITE = 48;

/** The text in `bytes[start, end)`; undefined when it is not valid UTF-8. */
export function readText(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start > LOOP_READ) return decode(bytes, start, end);
  let text = "";
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte > 0x7f) return decode(bytes, start, end);
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Bytes that `writeText` will write. */
export function textSize(text: string): number {
  const length = text.length;
  let size = length;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) continue;
    size += code < 0x800 ? 1 : 2;
    if (isPair(text, i, code)) i++; // 4 bytes for 2 units
  }
  return size;
}

/** Writes `text` at `at`, where there must be room; gives the position behind it. */
export function writeText(text: string, out: Uint8Array, at: number): number {
  const length = text.length;
  if (length > LOOP_WRITE) return at + encoder.encodeInto(text, at === 0 ? out : out.subarray(at)).written;
  for (let i = 0; i < length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      out[at++] = code;
    } else if (code < 0x800) {
      out[at++] = 0xc0 | code >> 6;
      out[at++] = 0x80 | code & 63;
    } else if (isPair(text, i, code)) {
      code = 0x10000 + ((code & 0x3ff) << 10) + (text.charCodeAt(++i) & 0x3ff);
      out[at++] = 0xf0 | code >> 18;
      out[at++] = 0x80 | code >> 12 & 63;
      out[at++] = 0x80 | code >> 6 & 63;
      out[at++] = 0x80 | code & 63;
    } else {
      if ((code & 0xf800) === 0xd800) code = 0xfffd;
      out[at++] = 0xe0 | code >> 12;
      out[at++] = 0x80 | code >> 6 & 63;
      out[at++] = 0x80 | code & 63;
    }
  }
  return at;
}

/** Is this valid UTF-8? */
export function isUtf8(bytes: Uint8Array): boolean {
  return readText(bytes, 0, bytes.length) !== undefined;
}

function isPair(text: string, i: number, code: number): boolean {
  return (code & 0xfc00) === 0xd800 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00;
}

function decode(bytes: Uint8Array, start: number, end: number): string | undefined {
  try {
    return strict.decode(bytes.subarray(start, end));
  } catch {
    return undefined; // the decoder's only complaint: not UTF-8
  }
}
