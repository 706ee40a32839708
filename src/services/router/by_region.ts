import type { Instance } from "../../naming/naming.ts";
import { crc32 } from "../../protocol/crc32.ts";
import type { GatewayRefusal, PickGateways } from "./app.ts";
import type { GatewayList } from "./gateway_list.ts";
import { type CountryOf, type Place, placeOf } from "./place.ts";
import type { Region, Regions } from "./regions.ts";

export interface ByRegionDeps {
  readonly gateways: GatewayList;
  readonly regions: Regions;
  readonly countryOf: CountryOf;
}

/** A client is told no more. */
const MOST = 3;

/**
 * Gateways by the client's country, the data centres of its region, and the key. The same key is told the same gateways
 * while these do not change. Source: proto/WIRE.md "Router". hot: per look-up
 */
export function gatewaysByRegion({ gateways, regions, countryOf }: ByRegionDeps): PickGateways {
  return ({ key, remoteIp }) => {
    if (!gateways.known) return refusal(503, "NOT_READY", "Cannot say yet which gateways there are: ask again");
    const place = placeOf(remoteIp, countryOf);
    const id = regionOf(regions, place);
    if (id === undefined) {
      return refusal(403, "NO_REGION", `No region serves ${place.name}: mapping.json has none for it`);
    }
    const region = regions.regions.get(id.toLowerCase());
    if (!region) {
      return refusal(500, "UNKNOWN_REGION", `Region ${id}, which serves ${place.name}, is not in regions.json`);
    }
    const hash = crc32(key);
    return { location: place.name, domains: ring(candidates(gateways, region, hash), hash) };
  };
}

function regionOf({ ofPlace }: Regions, { name, code }: Place): string | undefined {
  return ofPlace.get(name.toLowerCase()) ?? ofPlace.get(code.toLowerCase()) ?? ofPlace.get("*");
}

/** Those of the key's data centre, or of the next one that has any; where nobody says where it is, all. */
function candidates(gateways: GatewayList, { idcs, slots }: Region, hash: number): readonly Instance[] {
  if (!gateways.tagged) return gateways.all;
  let slot = hash % slots;
  const chosen = idcs.findIndex(({ weight }) => (slot -= weight) < 0);
  for (let step = 0; step < idcs.length; step++) {
    const found = gateways.ofIdc(idcs[(chosen + step) % idcs.length]!.id);
    if (found.length > 0) return found;
  }
  return [];
}

/** Up to three different URLs: all in order, or of many those from the key's place on. */
function ring(list: readonly Instance[], hash: number): string[] {
  const first = list.length <= MOST ? 0 : Math.floor((hash % (10 * list.length)) / 10);
  const domains: string[] = [];
  for (let step = 0; step < list.length && domains.length < MOST; step++) {
    const { domain } = list[(first + step) % list.length]!;
    if (!domains.includes(domain)) domains.push(domain);
  }
  return domains;
}

function refusal(status: GatewayRefusal["status"], code: string, message: string): GatewayRefusal {
  return { status, code, message };
}
