import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Reader, type Response } from "mmdb-lib";
import { ImError } from "../base/errors.ts";
import type { CountryOf } from "../services/router/place.ts";

const FILE = "@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb";

/** Whose data it is: CC BY 4.0 wants it said. */
export const COUNTRY_DATA_BY = "Countries of addresses: data by NRO (nro.net), CC BY 4.0";

/**
 * The country of an address, from the file that is installed with us (about 8 MB, kept in memory). A look-up takes some
 * microseconds and does not throw. @throws {ImError} CONFIG: there is no such file.
 */
export function openCountryDatabase(path: string = installed()): CountryOf {
  let reader: Reader<Response>;
  try {
    reader = new Reader(readFileSync(path));
  } catch (cause) {
    throw new ImError("CONFIG", `Cannot read countries of addresses: ${path} is no MMDB file`, { cause });
  }
  return (ip) => {
    const found: object | null = reader.get(ip);
    return found && "country_code" in found && typeof found.country_code === "string" ? found.country_code : undefined;
  };
}

function installed(): string {
  try {
    return createRequire(import.meta.url).resolve(FILE);
  } catch (cause) {
    throw new ImError("CONFIG", "Cannot find the countries of addresses: install Petrel's dependencies again", {
      cause,
    });
  }
}
