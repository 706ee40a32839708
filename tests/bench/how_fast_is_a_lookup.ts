/** How long does the router take for a client? `bun tests/bench/how_fast_is_a_lookup.ts`, or with `deno run -A`. */
import * as runtime from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { openCountryDatabase } from "../../src/cli/country_database.ts";
import { routerApp } from "../../src/services/router/app.ts";
import { gatewaysByRegion } from "../../src/services/router/by_region.ts";
import { GatewayList } from "../../src/services/router/gateway_list.ts";
import { readRegions } from "../../src/services/router/regions.ts";

const LOOKUPS = 200_000;
const REQUESTS = 20_000;
const CLIENTS = 32;

const countryOf = openCountryDatabase();
const gateways = new GatewayList({
  subscribe: (service, changed) => {
    const one = (n: number) => ({ id: `gw${n}`, domain: `wss://gw${n}.example`, tags: [`IDC:${n % 2 ? "A" : "B"}`] });
    const rest = { service, protocol: "ws", host: "h", port: 1, zone: "", healthUrl: "", incarnation: "" } as const;
    changed(Array.from({ length: 100 }, (_, n) => ({ ...one(n), ...rest })));
    return { stop() {} };
  },
});
const regions = readRegions({
  mapping: [{ region: "W", locations: ["*"] }],
  regions: [{ id: "W", idcs: [{ id: "A", weight: 3 }, { id: "B", weight: 1 }] }],
});
const pick = gatewaysByRegion({ gateways, regions, countryOf });
const ips = Array.from({ length: 5_000 }, (_, i) => {
  const x = Math.imul(i, 2_654_435_761) >>> 0;
  return `${x >>> 24}.${x >>> 16 & 255}.${x >>> 8 & 255}.${x & 255}`;
});

const startMs = performance.now();
for (let i = 0; i < LOOKUPS; i++) {
  pick({ key: `account ${i}`, remoteIp: ips[i % ips.length]!, host: "", secure: false });
}
const micros = (performance.now() - startMs) * 1000 / LOOKUPS;
console.log(`${runtime.name}: a choice ${micros.toFixed(1)} us`);

const app = routerApp({ pick, clock: systemClock, origins: ["*"] });
let asked = 0;
const http = await runtime.serveHttp({ hostname: "127.0.0.1", port: 0 }, (request, env) => {
  return app.fetch(request, { ...env, remoteIp: ips[asked++ % ips.length]! });
});
const httpStartMs = performance.now();
await Promise.all(Array.from({ length: CLIENTS }, async () => {
  for (let i = 0; i < REQUESTS / CLIENTS; i++) await (await fetch(`${http.url}/api/lookup/${i}`)).arrayBuffer();
}));
const perSecond = REQUESTS / (performance.now() - httpStartMs) * 1000;
console.log(`${runtime.name}: ${Math.round(perSecond)} requests/s over HTTP, the clients in the same process`);
await http[Symbol.asyncDispose]();
