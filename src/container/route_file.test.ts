import { readFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { ImError } from "../base/errors.ts";
import { crc32 } from "../protocol/crc32.ts";
import { parseRouteFile, zoneOf, zonesOf } from "./route_file.ts";

const zones = [{ id: "z1", weight: 8 }, { id: "z2", weight: 1 }, { id: "z3", weight: 0 }];
const parse = (file: unknown) => parseRouteFile(JSON.stringify(file), "route.json");

/** What is said of a file that is refused. */
function problemOf(text: string): string {
  try {
    parseRouteFile(text, "route.json");
  } catch (error) {
    expect(error).toBeInstanceOf(ImError);
    expect((error as ImError).code).toBe("CONFIG");
    return (error as ImError).message;
  }
  throw new Error("The file was taken");
}

test("a zone has as many slots as its weight, in the order of the file", () => {
  expect(parse({ zones }).slots).toEqual([...Array.from({ length: 8 }, () => "z1"), "z2"]);
});

test("the zone is the slot of the account's crc32", () => {
  const routes = parse({ routeBy: "account", zones });
  expect(0x3cff30d8 % 9).toBe(3);
  expect(zoneOf(routes, "kim", crc32("kim"))).toBe("z1");
  const account = Array.from({ length: 100 }, (_, i) => `a${i}`).find((name) => crc32(name) % 9 === 8)!;
  expect(zoneOf(routes, "kim", crc32(account))).toBe("z2");
});

test.each(["routeBy", "route_by"])("%s app: everybody of an app has one zone", (key) => {
  const routes = parse({ [key]: "app", zones });
  const expected = routes.slots[crc32("kim") % 9]!;
  for (const account of ["ann", "bob", "cat"]) expect(zoneOf(routes, "kim", crc32(account))).toBe(expected);
});

test("the white list comes first, also with a zone of weight 0 or none", () => {
  const routes = parse({ zones, whitelist: [{ key: "kim", value: "z3" }, { key: "lab", value: "z9" }] });
  expect(zoneOf(routes, "kim", crc32("ann"))).toBe("z3");
  expect(zoneOf(routes, "lab", crc32("ann"))).toBe("z9");
  expect(zonesOf(routes)).toEqual(["z1", "z2", "z3", "z9"]);
});

test("routing is by account unless it is said otherwise; both spellings may say the same", () => {
  expect(parse({ zones }).routeBy).toBe("account");
  expect(parse({ zones, routeBy: "app", route_by: "app" }).routeBy).toBe("app");
});

test.each([
  ["not JSON", "{", "it is not JSON"],
  ["a list", "[]", "the file is []: it must be an object"],
  ["no zones", "{}", "zones is missing: it must be a list"],
  ["empty zones", `{"zones": []}`, "no weight above 0"],
  ["only zeros", `{"zones": [{"id": "z", "weight": 0}]}`, "no weight above 0"],
  ["a negative weight", `{"zones": [{"id": "z", "weight": -1}]}`, "zones[0].weight is -1"],
  ["half a slot", `{"zones": [{"id": "z", "weight": 0.5}]}`, "zones[0].weight is 0.5"],
  ["a weight as text", `{"zones": [{"id": "z", "weight": "8"}]}`, `zones[0].weight is "8"`],
  ["an endless weight", `{"zones": [{"id": "z", "weight": 1e300}]}`, "zones[0].weight is 1e+300"],
  ["too many slots", `{"zones": [{"id": "z", "weight": 9999}, {"id": "y", "weight": 2}]}`, "are 10001 together"],
  ["huge slots", `{"zones": [{"id": "z", "weight": 9007199254740991}]}`, "at most 10000"],
  ["no id", `{"zones": [{"weight": 1}]}`, "zones[0].id is missing"],
  ["the same id", `{"zones": [{"id": "z", "weight": 1}, {"id": "z", "weight": 1}]}`, `zones[1].id is "z" again`],
  ["a zone that is a text", `{"zones": ["z"]}`, `zones[0] is "z": it must be an object`],
  ["an unknown key", `{"zones": [{"id": "z", "weight": 1}], "zone": 1}`, `the file has "zone"`],
  ["an unknown key of a zone", `{"zones": [{"id": "z", "weight": 1, "wieght": 2}]}`, `zones[0] has "wieght"`],
  ["another routeBy", `{"routeBy": "App", "zones": [{"id": "z", "weight": 1}]}`, `routeBy is "App"`],
  ["two ways", `{"routeBy": "app", "route_by": "account", "zones": [{"id": "z", "weight": 1}]}`, "say it once"],
  ["a bad white list", `{"zones": [{"id": "z", "weight": 1}], "whitelist": {}}`, "whitelist is {}"],
  ["an empty app", `{"zones": [{"id": "z", "weight": 1}], "whitelist": [{"key": "", "value": "z"}]}`, `].key is ""`],
  [
    "an app twice",
    `{"zones": [{"id": "z", "weight": 1}], "whitelist": [{"key": "a", "value": "z"}, {"key": "a", "value": "y"}]}`,
    `whitelist[1].key is "a" again`,
  ],
])("a file with %s is refused, and told why", (_what, text, problem) => {
  expect(problemOf(text)).toContain("Cannot read route.json:");
  expect(problemOf(text)).toContain(problem);
});

test("everything that is wrong is told at once, ten lines of it", () => {
  const wrong = problemOf(`{"zones": [{"id": 5, "weight": -1}], "whitelist": [7], "more": 1}`);
  for (const part of ["zones[0].id", "zones[0].weight", "whitelist[0] is 7", `"more"`]) expect(wrong).toContain(part);
  const many = problemOf(JSON.stringify({ zones: Array.from({ length: 50 }, () => 1) }));
  expect(many.split("\n").length).toBe(12);
  expect(many).toMatch(/and \d+ more$/);
});

test("an endless list is refused before it is looked at", () => {
  expect(problemOf(JSON.stringify({ zones: Array.from({ length: 10_001 }, () => 1) }))).toContain("has 10001 entries");
});

test("the route file of the documentation is read", () => {
  const page = readFileSync(new URL("../docs/naming.md", import.meta.url), "utf8");
  const routes = parseRouteFile(/```json\n(\{[^]*?\n\})\n/.exec(page)![1]!);
  expect(zonesOf(routes)).toEqual(["z1", "z2"]);
  expect(routes.slots.length).toBe(100);
});
