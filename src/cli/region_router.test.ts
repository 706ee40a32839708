import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tempDir } from "../../tests/support/temp.ts";
import { systemClock } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import { COUNTRY_NAMES } from "../services/router/country_names.ts";
import { placeOf } from "../services/router/place.ts";
import { DEFAULT_REGIONS, readRegions } from "../services/router/regions.ts";
import { openCountryDatabase } from "./country_database.ts";
import { openRegionRouter, readRegionFiles } from "./region_router.ts";

const countryOf = openCountryDatabase();

test.each([
  ["8.8.8.8", "美国"],
  ["114.114.114.114", "中国"],
  ["1.36.0.1", "香港特别行政区"],
  ["168.95.1.1", "台湾省"],
  ["203.178.141.194", "日本"],
  ["202.90.128.1", "菲律宾"],
  ["2001:4860:4860::8888", "美国"],
  ["::ffff:8.8.8.8", "美国"],
  ["192.168.1.1", "中国"],
  ["fe80::1%eth0", "中国"],
])("%s is in %s", (ip, name) => {
  expect(placeOf(ip, countryOf).name).toBe(name);
});

test("every country of the database has a name; no address throws", () => {
  const codes = new Set<string>();
  for (let i = 0; i < 200_000; i++) {
    const x = Math.imul(i, 2_654_435_761) >>> 0;
    const code = countryOf(`${x >>> 24}.${x >>> 16 & 255}.${x >>> 8 & 255}.${x & 255}`);
    if (code !== undefined) codes.add(code);
  }
  expect(codes.size).toBeGreaterThan(150);
  expect([...codes].filter((code) => !COUNTRY_NAMES.has(code))).toEqual([]);
  for (const ip of ["", "unix", "1.2.3", "::", "::::", "1.2.3.4.5", "g::1", "%", "\0"]) {
    expect(placeOf(ip, countryOf).code).toBe("CN");
  }
});

test("reads the files of a folder, the built-in ones for those that are missing, and says what is wrong with which", async () => {
  await using dir = await tempDir();
  expect(readRegionFiles(dir.path)).toEqual(readRegionFiles(undefined));
  await writeFile(dir.in("mapping.json"), '\ufeff[{"region":"eu","locations":["*"]}]');
  await writeFile(dir.in("regions.json"), '[{"id":"EU","idcs":[{"id":"FRA","weight":1}]}]');
  const { ofPlace, regions } = readRegionFiles(dir.path);
  expect([[...ofPlace], [...regions.keys()]]).toEqual([[["*", "eu"]], ["eu"]]);
  await writeFile(dir.in("regions.json"), "[{");
  expect(problemOf(() => readRegionFiles(dir.path))).toMatch(/^CONFIG .*regions\.json is no JSON \(/);
  await writeFile(dir.in("regions.json"), '[{"id":"EU","idcs":[]}]');
  expect(problemOf(() => readRegionFiles(dir.path))).toContain("region EU has no data centre with a weight above 0");
  expect(problemOf(() => readRegionFiles(dir.in("none")))).toContain("there is no folder");
  await mkdir(dir.in("empty"));
  await writeFile(dir.in("no.mmdb"), "none");
  expect(problemOf(() => openCountryDatabase(dir.in("no.mmdb")))).toContain("is no MMDB file");
  expect(problemOf(() => openCountryDatabase(dir.in("nothing.mmdb")))).toMatch(/^CONFIG /);
});

test("the files shown in src/docs/router.md are right", () => {
  const page = readFileSync(new URL("../docs/router.md", import.meta.url), "utf8");
  const [, mapping, regions, world] = [...page.matchAll(/```json\n([^]*?)\n```/g)].map(([, text]) => JSON.parse(text!));
  const { ofPlace, regions: ready } = readRegions({ mapping, regions });
  expect([...ofPlace.values()].every((region) => ready.has(region.toLowerCase()))).toBe(true);
  expect(readRegions({ ...DEFAULT_REGIONS, mapping: world }).ofPlace.get("*")).toBe("EC");
});

test("the router of a cluster: not ready until naming told it gateways", async () => {
  let tell = (_instances: readonly never[]): void => {};
  let stopped = false;
  const naming = {
    subscribe: (_service: string, changed: typeof tell) => {
      tell = changed;
      return { stop: () => void (stopped = true) };
    },
  };
  const router = openRegionRouter({ naming, origins: ["*"], clock: systemClock, countryOf });
  expect(router.problem()).toBe("naming has not told any gateways yet");
  tell([]);
  expect([router.problem(), router.gateways]).toEqual([undefined, 0]);
  const env = { remote: "8.8.8.8:1", remoteIp: "8.8.8.8", secure: false, upgrade: () => new Response(null) };
  const refused = await router.app.request("/api/lookup/x", {}, env);
  expect([refused.status, await refused.json()]).toEqual([
    403,
    { code: "NO_REGION", message: "No region serves 美国: mapping.json has none for it" },
  ]);
  router[Symbol.dispose]();
  expect(stopped).toBe(true);
});

function problemOf(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    const { code, message } = ImError.from(thrown);
    return `${code} ${message}`;
  }
  return "none";
}
