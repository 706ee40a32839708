import { parseIp } from "../../comm/ip_range.ts";
import { COUNTRY_NAMES } from "./country_names.ts";

/** ISO 3166-1 code (`CN`) of the country of a public address in canonical form; undefined: not known. */
export type CountryOf = (ip: string) => string | undefined;

/** Where a client seems to be: the name it is told, and the country's code. */
export interface Place {
  readonly name: string;
  readonly code: string;
}

/** Where somebody is whose address says nothing. */
export const UNKNOWN_PLACE: Place = { name: "中国", code: "CN" };

/** The place of an address as HttpEnv.remoteIp has it, whatever it is; never throws. hot: per look-up */
export function placeOf(ip: string, countryOf: CountryOf): Place {
  const bytes = parseIp(ip);
  if (!bytes || isPrivate(bytes)) return UNKNOWN_PLACE;
  let code;
  try {
    code = countryOf(bytes.length === 4 ? bytes.join(".") : ip)?.toUpperCase();
  } catch {
    code = undefined; // a broken database is no reason to leave clients without a gateway
  }
  const name = code === undefined ? undefined : COUNTRY_NAMES.get(code);
  return code === undefined || name === undefined ? UNKNOWN_PLACE : { name, code };
}

/** Addresses that are nobody's (private, loopback, link-local): databases of countries have some all the same. */
function isPrivate(bytes: readonly number[]): boolean {
  const [first = 0, second = 0] = bytes;
  if (bytes.length === 16) {
    if ((first & 0xfe) === 0xfc || first === 0xfe && (second & 0xc0) === 0x80) return true;
    return bytes.every((byte, at) => at === 15 || byte === 0); // :: and ::1
  }
  if (first === 0 || first === 10 || first === 127) return true;
  if (first === 100) return (second & 0xc0) === 64;
  if (first === 172) return (second & 0xf0) === 16;
  return first === 169 && second === 254 || first === 192 && second === 168;
}
