import { z } from "zod";
import { ImError } from "../../base/errors.ts";

/** A data centre of a region, and its share of the region's clients; 0: never used. */
export interface Idc {
  readonly id: string;
  readonly weight: number;
}

/** What mapping.json and regions.json say, in their own form. Source: proto/WIRE.md "Router". */
export interface RegionFiles {
  readonly mapping: readonly { readonly region: string; readonly locations: readonly string[] }[];
  readonly regions: readonly { readonly id: string; readonly idcs: readonly Idc[] }[];
}

/** A region's data centres with a positive weight, in file order; ids in lower case. */
export interface Region {
  readonly idcs: readonly Idc[];
  /** Sum of their weights: the number of slots. */
  readonly slots: number;
}

/** Regions, ready for look-ups. All keys are in lower case. */
export interface Regions {
  /** Region, as it is written, of a country's name or code, or of `*`: all others. */
  readonly ofPlace: ReadonlyMap<string, string>;
  readonly regions: ReadonlyMap<string, Region>;
}

/** What counts without files. It is KIM's. */
export const DEFAULT_REGIONS: RegionFiles = {
  mapping: [
    { region: "EC", locations: ["中国"] },
    { region: "HK", locations: ["香港特别行政区", "日本", "菲律宾"] },
    { region: "TW", locations: ["台湾省"] },
  ],
  regions: [{ id: "EC", idcs: [{ id: "SH_ALI", weight: 100 }, { id: "HZ_ALI", weight: 0 }] }],
};

const Word = z.string().trim().min(1).max(100);
const Mapping = z.array(z.strictObject({ region: Word, locations: z.array(Word) }));
const RegionList = z.array(z.strictObject({
  id: Word,
  idcs: z.array(z.strictObject({ id: Word, weight: z.int().min(0).max(1_000_000) })).max(1_000),
}));

/**
 * Checks what the two files hold (parsed JSON) and makes it ready. All that is wrong is told at once.
 * @throws {ImError} CONFIG: another shape, an unknown key, a place or an id twice, a region without positive weight.
 */
export function readRegions(files: { readonly mapping: unknown; readonly regions: unknown }): Regions {
  const problems: string[] = [];
  const mapping = shaped("mapping.json", Mapping, files.mapping, problems);
  const regions = shaped("regions.json", RegionList, files.regions, problems);
  const ofPlace = new Map<string, string>();
  for (const { region, locations } of mapping) {
    for (const place of locations) {
      if (ofPlace.has(place.toLowerCase())) problems.push(`mapping.json: ${place} is there twice`);
      ofPlace.set(place.toLowerCase(), region);
    }
  }
  const ready = new Map<string, Region>();
  for (const { id, idcs } of regions) {
    const ids = idcs.map((idc) => idc.id.toLowerCase());
    const twice = idcs.find((_, at) => ids.indexOf(ids[at]!) < at);
    if (twice) problems.push(`regions.json: region ${id} has ${twice.id} twice`);
    const used = idcs.filter(({ weight }) => weight > 0).map((idc) => ({ ...idc, id: idc.id.toLowerCase() }));
    if (used.length === 0) problems.push(`regions.json: region ${id} has no data centre with a weight above 0`);
    if (ready.has(id.toLowerCase())) problems.push(`regions.json: region ${id} is there twice`);
    ready.set(id.toLowerCase(), { idcs: used, slots: used.reduce((sum, { weight }) => sum + weight, 0) });
  }
  if (problems.length > 0) throw new ImError("CONFIG", `Cannot use the regions: ${problems.join("; ")}`);
  return { ofPlace, regions: ready };
}

function shaped<T>(file: string, schema: z.ZodType<T[]>, value: unknown, problems: string[]): T[] {
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  for (const { path, message } of read.error.issues) {
    problems.push(`${file}: ${path.length > 0 ? `at ${path.join(".")}: ` : ""}${message}`);
  }
  return [];
}
