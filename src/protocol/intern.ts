import { readText } from "./utf8.ts";

/** Longer texts are read anew each time. */
const LONGEST = 32;

/**
 * Texts that come again and again: one that was seen lately is compared instead of decoded. One text per slot, the
 * latest wins: bounded, whatever peers send.
 */
export class Interner {
  readonly #mask: number;
  readonly #texts: string[];
  readonly #bytes: Uint8Array;

  /** `slots` is a power of two. */
  constructor(slots: number) {
    this.#mask = slots - 1;
    this.#texts = new Array<string>(slots).fill("");
    this.#bytes = new Uint8Array(slots * LONGEST);
  }

  /** The text in `bytes[start, end)`; undefined when it is not valid UTF-8. */
  read(bytes: Uint8Array, start: number, end: number): string | undefined {
    // hot: per field
    const length = end - start;
    if (length === 0 || length > LONGEST) return readText(bytes, start, end);
    const middle = bytes[start + (length >> 1)]!;
    const slot = (length * 5 + bytes[end - 1]! * 37 + bytes[start]! * 11 + middle * 3) & this.#mask;
    const known = this.#texts[slot]!;
    const kept = this.#bytes;
    const at = slot * LONGEST;
    if (known.length === length) { // only ASCII is kept: as many units as bytes
      let i = 0;
      while (i < length && kept[at + i] === bytes[start + i]) i++;
      if (i === length) return known;
    }
    const text = readText(bytes, start, end);
    if (text?.length === length) {
      this.#texts[slot] = text;
      for (let i = 0; i < length; i++) kept[at + i] = bytes[start + i]!;
    }
    return text;
  }
}
