const word = new Uint32Array(1);

/** A number from 0 up to, not including, 1. */
export function random(): number {
  crypto.getRandomValues(word);
  return word[0]! / 2 ** 32;
}

/** Gives ids that no other client gives: 128 random bits, then a counter. Letters, digits and `-`, under 40 characters. */
export function idMaker(from: () => number): () => string {
  let prefix = "";
  for (let i = 0; i < 4; i++) prefix += Math.floor(from() * 2 ** 32).toString(36).padStart(7, "0");
  let count = 0;
  return () => `${prefix}-${(++count).toString(36)}`;
}
