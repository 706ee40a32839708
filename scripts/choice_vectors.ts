import { crc32 } from "node:zlib";
import type { Plain } from "../tests/vectors/reflect.ts";

/** What a choice is made of. */
interface Choice {
  readonly servers: readonly { readonly id: string; readonly zone?: string }[];
  readonly routes?: {
    readonly routeBy?: string;
    readonly zones: readonly { readonly id: string; readonly weight: number }[];
    readonly whitelist?: readonly { readonly key: string; readonly value: string }[];
  };
  readonly app: string;
  readonly account: string;
}

const TWO = [{ id: "chat02" }, { id: "chat01" }];
const ZONED = [
  { id: "chat01", zone: "z1" },
  { id: "chat02", zone: "z1" },
  { id: "chat03", zone: "z2" },
  { id: "chat10", zone: "z2" },
];
const ZONES = [{ id: "z1", weight: 7 }, { id: "z2", weight: 3 }, { id: "z3", weight: 0 }];
const WHITELIST = [{ key: "lab", value: "z2" }, { key: "new", value: "z9" }];

/** Rows of which chat server a channel gets: proto/WIRE.md "Choosing". */
export const CHOICES: readonly { name: string; kind: string; input: Plain }[] = [
  choice("two-servers", { servers: TWO, app: "kim", account: "ann" }),
  choice("two-servers-another", { servers: TWO, app: "kim", account: "account_42" }),
  choice("not-ascii", { servers: ZONED, app: "kim", account: "安娜" }),
  choice("zone", { servers: ZONED, routes: { zones: ZONES }, app: "kim", account: "ann" }),
  choice("zone-by-weight", { servers: ZONED, routes: { zones: ZONES }, app: "kim", account: "test1" }),
  choice("zone-by-app", { servers: ZONED, routes: { routeBy: "app", zones: ZONES }, app: "kim", account: "ann" }),
  choice("white-list", { servers: ZONED, routes: { zones: ZONES, whitelist: WHITELIST }, app: "lab", account: "ann" }),
  choice("no-server-in-zone", {
    servers: ZONED,
    routes: { zones: ZONES, whitelist: WHITELIST },
    app: "new",
    account: "ann",
  }),
];

function choice(name: string, input: Choice): { name: string; kind: string; input: Plain } {
  return { name: `choice-${name}`, kind: "choice", input: { ...input } };
}

/** The chosen id, by the rule as it is written: every slot in a list. */
export function chosen(input: Plain): string {
  const { servers, routes, app, account } = input as unknown as Choice;
  let kept = [...servers].sort((a, b) => a.id < b.id ? -1 : 1);
  if (routes) {
    const slots = routes.zones.flatMap(({ id, weight }) => Array<string>(weight).fill(id));
    const key = routes.routeBy === "app" ? app : account;
    const zone = routes.whitelist?.find((row) => row.key === app)?.value ?? slots[crc32(key) % slots.length];
    const there = kept.filter((server) => server.zone === zone);
    if (there.length > 0) kept = there;
  }
  const tens = kept.flatMap((server) => Array(10).fill(server.id));
  return tens[crc32(account) % tens.length];
}
