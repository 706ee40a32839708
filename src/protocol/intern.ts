import { readText } from "./utf8.ts";

/** Words are at most this long; longer texts are read anew each time. */
const LONGEST = 40;
const SLOTS = 256;

// One word per slot, the latest wins: bounded, whatever peers send.
const texts: string[] = new Array<string>(SLOTS).fill("");
const words: Uint8Array[] = new Array<Uint8Array>(SLOTS).fill(new Uint8Array(0));

/**
 * The text in `bytes[start, end)`, for texts that come from a small set (commands, meta keys): a word that was seen
 * lately is compared instead of decoded. Undefined when it is not valid UTF-8.
 */
export function intern(bytes: Uint8Array, start: number, end: number): string | undefined {
  // hot: per packet
  const length = end - start;
  if (length < 3 || length > LONGEST) return readText(bytes, start, end);
  const slot = (length * 5 + bytes[end - 1]! * 37 + bytes[end - 3]! * 11 + bytes[start + (length >> 1)]! * 3) &
    SLOTS - 1;
  const word = words[slot]!;
  if (word.length === length) {
    let i = 0;
    while (i < length && word[i] === bytes[start + i]) i++;
    if (i === length) return texts[slot];
  }
  const text = readText(bytes, start, end);
  if (text !== undefined) {
    texts[slot] = text;
    words[slot] = bytes.slice(start, end);
  }
  return text;
}
