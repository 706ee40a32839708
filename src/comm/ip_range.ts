import { UNIX } from "./remote.ts";

/** The 4 or 16 bytes of an address without brackets, port or zone; IPv4 in IPv6 clothes has 4. undefined: it is none. */
export function parseIp(text: string): readonly number[] | undefined {
  if (!text.includes(":")) return parseV4(text);
  const halves = text.split("::");
  if (halves.length > 2 || text.length > 45) return undefined;
  const [head = [], tail = []] = halves.map(parseGroups);
  if (head.includes(NaN) || tail.includes(NaN)) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  const bytes = [...head, ...new Array<number>(Math.max(0, missing)).fill(0), ...tail];
  const isMapped = bytes.slice(0, 12).every((byte, i) => byte === (i < 10 ? 0 : 255));
  return isMapped ? bytes.slice(12) : bytes;
}

/**
 * A list of addresses, ranges (`10.0.0.0/8`, `2001:db8::/32`) and the word `unix`, joined by commas, as a question: is
 * this address among them? undefined: something in the list is none of these.
 */
export function parseIpRanges(list: string): ((ip: string) => boolean) | undefined {
  let withUnix = false;
  const ranges: { readonly bytes: readonly number[]; readonly bits: number }[] = [];
  for (const one of list.split(",").map((part) => part.trim())) {
    if (one === UNIX) {
      withUnix = true;
      continue;
    }
    const [, address = "", size] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(one) ?? [];
    const bytes = parseIp(address);
    if (!bytes) return undefined;
    const bits = size === undefined ? bytes.length * 8 : Number(size);
    if (bits > bytes.length * 8) return undefined;
    ranges.push({ bytes, bits });
  }
  return (ip) => {
    if (ip === UNIX) return withUnix;
    const bytes = parseIp(ip);
    return bytes !== undefined && ranges.some((range) => isWithin(bytes, range.bytes, range.bits));
  };
}

function isWithin(bytes: readonly number[], range: readonly number[], bits: number): boolean {
  if (bytes.length !== range.length) return false;
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== range[i]) return false;
  const rest = bits & 7;
  return rest === 0 || bytes[whole]! >> (8 - rest) === range[whole]! >> (8 - rest);
}

function parseV4(text: string): number[] | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((one) => /^(0|[1-9]\d{0,2})$/.test(one) && Number(one) < 256)) {
    return undefined;
  }
  return parts.map(Number);
}

/** The bytes of `2001:db8`, or of `ffff:192.0.2.1`; NaN among them: it is neither. */
function parseGroups(text: string): number[] {
  if (text === "") return [];
  const groups = text.split(":");
  return groups.flatMap((group, i) => {
    if (i === groups.length - 1 && group.includes(".")) return parseV4(group) ?? [NaN];
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return [NaN];
    const value = parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}
