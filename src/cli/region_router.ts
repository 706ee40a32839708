import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Hono } from "hono";
import type { Clock } from "../base/clock.ts";
import { ImError, reasonOf } from "../base/errors.ts";
import type { HttpEnv } from "../comm/ports.ts";
import type { Naming } from "../naming/naming.ts";
import { routerApp } from "../services/router/app.ts";
import { gatewaysByRegion } from "../services/router/by_region.ts";
import { GatewayList } from "../services/router/gateway_list.ts";
import type { CountryOf } from "../services/router/place.ts";
import { DEFAULT_REGIONS, readRegions, type Regions } from "../services/router/regions.ts";
import { openCountryDatabase } from "./country_database.ts";

export interface RegionRouterOptions {
  readonly naming: Pick<Naming, "subscribe">;
  /** Folder with mapping.json and regions.json (PETREL_ROUTES); for one that is not there the built-in one counts. */
  readonly routes?: string | undefined;
  /** Origins whose pages may ask; "*" for all. */
  readonly origins: readonly string[];
  readonly clock: Clock;
  /** Default: the installed database. */
  readonly countryOf?: CountryOf;
}

/** The router of a cluster: an app to serve (behindProxies around it), and whether it can answer. */
export interface RegionRouter extends Disposable {
  readonly app: Hono<{ Bindings: HttpEnv }>;
  /** For /ready: undefined when it can answer, else why not. */
  problem(): string | undefined;
  /** Gateways that clients can be told. */
  readonly gateways: number;
}

/** Puts the router together. @throws {ImError} CONFIG: the files, or the database of countries, cannot be used. */
export function openRegionRouter(options: RegionRouterOptions): RegionRouter {
  const { naming, routes, origins, clock } = options;
  const regions = readRegionFiles(routes);
  const countryOf = options.countryOf ?? openCountryDatabase();
  const gateways = new GatewayList(naming);
  return {
    app: routerApp({ pick: gatewaysByRegion({ gateways, regions, countryOf }), clock, origins }),
    problem: () => gateways.known ? undefined : "naming has not told any gateways yet",
    get gateways() {
      return gateways.all.length;
    },
    [Symbol.dispose]: () => gateways[Symbol.dispose](),
  };
}

/** mapping.json and regions.json of a folder. @throws {ImError} CONFIG */
export function readRegionFiles(folder: string | undefined): Regions {
  const { mapping, regions } = DEFAULT_REGIONS;
  if (folder === undefined) return readRegions(DEFAULT_REGIONS);
  if (!existsSync(folder)) throw new ImError("CONFIG", `Cannot use the regions: there is no folder ${folder}`);
  return readRegions({
    mapping: readJson(join(folder, "mapping.json"), mapping),
    regions: readJson(join(folder, "regions.json"), regions),
  });
}

function readJson(path: string, otherwise: unknown): unknown {
  if (!existsSync(path)) return otherwise;
  try {
    return JSON.parse(readFileSync(path, "utf8").replace(/^\ufeff/, ""));
  } catch (cause) {
    throw new ImError(
      "CONFIG",
      `Cannot use the regions: ${path} is no JSON (${reasonOf(cause)})`,
      { cause },
    );
  }
}
