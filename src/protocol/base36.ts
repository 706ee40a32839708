/** A positive id as lower-case base 36, without padding: what group ids are. Source: proto/WIRE.md "Ids". */
export function toBase36(id: bigint): string {
  return id.toString(36);
}

/** The id back from its text; undefined when it is not lower-case base 36, is zero, or over 63 bits. */
export function fromBase36(text: string): bigint | undefined {
  if (!/^[1-9a-z][0-9a-z]{0,12}$/.test(text)) return undefined;
  let id = 0n;
  for (const digit of text) id = id * 36n + BigInt(parseInt(digit, 36));
  return id <= 0x7fff_ffff_ffff_ffffn ? id : undefined;
}
