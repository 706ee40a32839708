import { parseConfig, refuseProblems } from "../base/config_file.ts";
import { crc32 } from "../protocol/crc32.ts";

/** Which zone serves whom. `parseRouteFile` makes it. */
export interface RouteTable {
  /** What a zone is chosen by. */
  readonly routeBy: "app" | "account";
  /** Each zone's id, repeated `weight` times, in the order of the file; not empty. */
  readonly slots: readonly string[];
  /** App to zone, before anything else. */
  readonly whitelist: ReadonlyMap<string, string>;
}

/** All weights of a file together. */
const MOST_SLOTS = 10_000;
const MOST_ENTRIES = 10_000;

/** The zone for a client; `accountHash` is the account's crc32. Source: proto/WIRE.md "Choosing", step 2. */
export function zoneOf(routes: RouteTable, app: string, accountHash: number): string {
  const fixed = routes.whitelist.get(app);
  if (fixed !== undefined) return fixed;
  const hash = routes.routeBy === "app" ? crc32(app) : accountHash;
  return routes.slots[hash % routes.slots.length]!;
}

/** Every zone the table names, sorted. */
export function zonesOf(routes: RouteTable): string[] {
  return [...new Set([...routes.slots, ...routes.whitelist.values()])].sort();
}

/** Reads a route file's text. @throws {ImError} CONFIG with everything that is wrong, a line each. */
export function parseRouteFile(text: string, name = "the route file"): RouteTable {
  const problems: string[] = [];
  const table = read(parseConfig(text, name), problems);
  refuseProblems(name, problems);
  return table;
}

function read(json: unknown, problems: string[]): RouteTable {
  const file = objectAt("the file", json, ["routeBy", "route_by", "zones", "whitelist"], problems);
  const routeBy = readRouteBy(file["routeBy"], file["route_by"], problems);
  const slots: string[] = [];
  const zones = new Set<string>();
  let total = 0;
  for (const [at, entry] of listAt("zones", file["zones"], problems)) {
    const zone = objectAt(at, entry, ["id", "weight"], problems);
    const id = textAt(`${at}.id`, zone["id"], problems);
    const weight = weightAt(`${at}.weight`, zone["weight"], problems);
    if (zones.has(id) && id !== "") problems.push(`${at}.id is ${shown(id)} again: name each zone once`);
    zones.add(id);
    total += weight;
    if (total <= MOST_SLOTS) { for (let i = 0; i < weight; i++) slots.push(id); }
  }
  if (total > MOST_SLOTS) {
    problems.push(`the weights are ${total} together, at most ${MOST_SLOTS}: divide them all`);
  } else if (total === 0) {
    problems.push("zones has no weight above 0: at least one zone must have one");
  }
  const whitelist = new Map<string, string>();
  const fixed = file["whitelist"] === undefined ? [] : listAt("whitelist", file["whitelist"], problems);
  for (const [at, entry] of fixed) {
    const row = objectAt(at, entry, ["key", "value"], problems);
    const app = textAt(`${at}.key`, row["key"], problems);
    if (whitelist.has(app) && app !== "") problems.push(`${at}.key is ${shown(app)} again: name each app once`);
    whitelist.set(app, textAt(`${at}.value`, row["value"], problems));
  }
  return { routeBy, slots, whitelist };
}

function readRouteBy(camel: unknown, snake: unknown, problems: string[]): "app" | "account" {
  if (camel !== undefined && snake !== undefined && camel !== snake) {
    problems.push(`routeBy is ${shown(camel)} and route_by is ${shown(snake)}: say it once`);
  }
  const value = camel ?? snake ?? "account";
  if (value === "app" || value === "account") return value;
  problems.push(`routeBy is ${shown(value)}: it is "app" or "account"`);
  return "account";
}

function objectAt(at: string, value: unknown, keys: readonly string[], problems: string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    problems.push(`${at} is ${shown(value)}: it must be an object with ${keys.join(", ")}`);
    return {};
  }
  for (const key of Object.keys(value)) {
    if (!keys.includes(key)) problems.push(`${at} has ${shown(key)}: it may have ${keys.join(", ")}`);
  }
  return { ...value };
}

function listAt(at: string, value: unknown, problems: string[]): [string, unknown][] {
  if (!Array.isArray(value)) {
    problems.push(`${at} is ${shown(value)}: it must be a list`);
    return [];
  }
  if (value.length > MOST_ENTRIES) {
    problems.push(`${at} has ${value.length} entries: at most ${MOST_ENTRIES}`);
    return [];
  }
  return value.map((entry: unknown, i): [string, unknown] => [`${at}[${i}]`, entry]);
}

function textAt(at: string, value: unknown, problems: string[]): string {
  if (typeof value === "string" && value !== "") return value;
  // What is missing in an entry that is no object was said already.
  problems.push(`${at} is ${shown(value)}: it must be a text`);
  return "";
}

function weightAt(at: string, value: unknown, problems: string[]): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  problems.push(`${at} is ${shown(value)}: it must be a whole number, 0 or more`);
  return 0;
}

function shown(value: unknown): string {
  if (value === undefined) return "missing";
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`;
}
