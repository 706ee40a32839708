import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ImError } from "../base/errors.ts";
import { parseRouteFile, type RouteTable } from "../container/route_file.ts";

/** route.json of a folder (PETREL_ROUTES); none: zones do not matter. @throws {ImError} CONFIG */
export function readZones(folder: string | undefined): RouteTable | undefined {
  if (folder === undefined) return undefined;
  if (!existsSync(folder)) throw new ImError("CONFIG", `Cannot use the routes: there is no folder ${folder}`);
  const file = join(folder, "route.json");
  return existsSync(file) ? parseRouteFile(readFileSync(file, "utf8"), file) : undefined;
}
