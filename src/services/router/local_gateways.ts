import type { PickGateways } from "./app.ts";
import { UNKNOWN_PLACE } from "./place.ts";

/** A client is told no more. */
const MOST = 3;

/**
 * The gateways of this process: the addresses that were configured, else the one that the client itself used, which
 * serves WebSockets on every path.
 */
export function localGateways(configured: readonly string[]): PickGateways {
  const domains = [...new Set(configured)].slice(0, MOST);
  return ({ host, secure }) => ({
    location: UNKNOWN_PLACE.name,
    domains: domains.length > 0 ? domains : isHost(host) ? [`${secure ? "wss" : "ws"}://${host}`] : [],
  });
}

/** A name or address, perhaps with a port: what a client says is not repeated unseen. */
function isHost(host: string): boolean {
  return /^([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?$/.test(host) && URL.canParse(`http://${host}`);
}
