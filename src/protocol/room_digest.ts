import { crc32 } from "./crc32.ts";

/** Stands for a set of large groups, in any order: the sum of the CRC-32 of their ids, modulo 2^32; 0 for none. */
export function roomDigest(groups: Iterable<string>): number {
  let sum = 0;
  for (const group of groups) sum = (sum + crc32(group)) >>> 0;
  return sum;
}
