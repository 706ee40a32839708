import { expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../base/fake_clock.ts";
import { Metrics } from "../base/metrics.ts";
import { crc32 } from "../protocol/crc32.ts";
import type { LinkState, Uplink } from "./link.ts";
import { parseRouteFile, type RouteTable } from "./route_file.ts";
import { Selector, serviceOf } from "./selector.ts";

interface TestLink extends Uplink {
  state: LinkState;
}

function link(peerId: string, zone = "", more: Partial<TestLink> = {}): TestLink {
  return { peerId, zone, youngUntilMs: 0, state: "open", send: () => true, ...more };
}

function routes(file: object): RouteTable {
  return parseRouteFile(JSON.stringify(file));
}

const TWO_ZONES = routes({ zones: [{ id: "z1", weight: 3 }, { id: "z2", weight: 1 }] });
const ACCOUNTS = Array.from({ length: 400 }, (_, i) => `account_${i}`);

function open(links: readonly Uplink[], table?: RouteTable) {
  const clock = new FakeClock(), metrics = new Metrics();
  const selector = new Selector({ clock, metrics, routes: table });
  for (const one of links) selector.add(one);
  const picked = (app: string, account: string, content?: "json") => selector.pick(app, account, content)?.peerId;
  return { clock, metrics, selector, picked };
}

test("the account's crc32 picks one of the servers, ten slots each, sorted by id", () => {
  const { picked } = open([link("c"), link("a"), link("b")]);
  // 0x8ab2dce2 mod 30 is 12, 0x3cff30d8 mod 30 is 24.
  expect(picked("kim", "test1")).toBe("b");
  expect(picked("kim", "kim")).toBe("c");
});

test("the choice is the rule of the wire, for any servers, zones and accounts", () => {
  const name = fc.constantFrom("z1", "z2", "z3", "");
  const server = fc.record({
    id: fc.string({ minLength: 1, maxLength: 4 }),
    zone: name,
    state: fc.constantFrom<LinkState>("open", "draining", "closed"),
    young: fc.boolean(),
    kim: fc.boolean(),
  });
  const table = fc.constantFrom(
    undefined,
    TWO_ZONES,
    routes({ routeBy: "app", zones: [{ id: "z1", weight: 2 }, { id: "z3", weight: 5 }] }),
    routes({ zones: [{ id: "z2", weight: 1 }], whitelist: [{ key: "kim", value: "z3" }] }),
  );
  const servers = fc.uniqueArray(server, { selector: ({ id }) => id, maxLength: 8 });
  fc.assert(
    fc.property(
      servers,
      table,
      fc.constantFrom("kim", "lab"),
      fc.string(),
      fc.boolean(),
      (all, used, app, account, json) => {
        const links = all.map(({ id, zone, state, young, kim }) =>
          link(id, zone, { state, youngUntilMs: young ? 9 : 0, kim })
        );
        const { picked } = open(links, used);
        expect(picked(app, account, json ? "json" : undefined)).toBe(plainChoice(links, used, app, account, json));
      },
    ),
  );
});

/** The rule as it is written in proto/WIRE.md "Choosing". */
function plainChoice(
  links: readonly TestLink[],
  table: RouteTable | undefined,
  app: string,
  account: string,
  json: boolean,
) {
  let kept = links.filter(({ state, kim }) => state === "open" && !(json && kim)).sort((a, b) =>
    a.peerId < b.peerId ? -1 : 1
  );
  if (kept.some(({ youngUntilMs }) => youngUntilMs === 0)) kept = kept.filter(({ youngUntilMs }) => youngUntilMs === 0);
  if (table) {
    const key = table.routeBy === "app" ? app : account;
    const zone = table.whitelist.get(app) ?? table.slots[crc32(key) % table.slots.length];
    const there = kept.filter((one) => one.zone === zone);
    if (there.length > 0) kept = there;
  }
  if (kept.length === 0) return undefined;
  return kept[Math.floor((crc32(account) % (10 * kept.length)) / 10)]!.peerId;
}

test("nobody is picked where nobody is", () => {
  const { picked, selector } = open([]);
  expect(picked("kim", "ann")).toBeUndefined();
  const one = link("a");
  selector.add(one);
  expect(picked("kim", "ann")).toBe("a");
  selector.remove(one);
  expect(picked("kim", "ann")).toBeUndefined();
});

test("accounts stay in their zone, spread by its weight", () => {
  const { picked } = open([link("a", "z1"), link("b", "z1"), link("c", "z2")], TWO_ZONES);
  const counts = new Map<string, number>();
  for (const account of ACCOUNTS) {
    const id = picked("kim", account)!;
    counts.set(id, (counts.get(id) ?? 0) + 1);
    expect(id === "c").toBe(crc32(account) % 4 === 3);
  }
  expect([...counts.keys()].sort()).toEqual(["a", "b", "c"]);
});

test("a zone without servers is served by all, and counted", () => {
  const { picked, metrics } = open([link("a", "z1"), link("b", "")], TWO_ZONES);
  const others = ACCOUNTS.filter((account) => crc32(account) % 4 === 3);
  const ids = new Set(others.map((account) => picked("kim", account)));
  expect([...ids].sort()).toEqual(["a", "b"]);
  expect(metrics.read("petrel_no_server_in_zone_total", { zone: "z2" })).toBe(others.length);
  expect(metrics.read("petrel_no_server_in_zone_total", { zone: "z1" })).toBe(0);
});

test("zones of a metric are those of the route file, whatever servers say", () => {
  const { picked, metrics } = open([link("a", "made up")], TWO_ZONES);
  for (const account of ACCOUNTS) picked("kim", account);
  const series = [...metrics.families.get("petrel_no_server_in_zone_total")!.series.values()];
  expect(series.map(({ labels }) => labels["zone"]).sort()).toEqual(["z1", "z2"]);
});

test("a young server is left alone until it is grown up", () => {
  const { picked, clock } = open([link("a"), link("b", "", { youngUntilMs: 10_000 })]);
  const used = () => [...new Set(ACCOUNTS.map((account) => picked("kim", account)))].sort();
  expect(used()).toEqual(["a"]);
  clock.advance(9_999);
  expect(used()).toEqual(["a"]);
  clock.advance(1);
  expect(used()).toEqual(["a", "b"]);
});

test("young servers are used when there is no other", () => {
  const { picked, selector } = open([link("a", "", { youngUntilMs: 10_000 }), link("b", "", { youngUntilMs: 20_000 })]);
  const used = () => [...new Set(ACCOUNTS.map((account) => picked("kim", account)))].sort();
  expect(used()).toEqual(["a", "b"]);
  selector.add(link("c"));
  expect(used()).toEqual(["c"]);
});

test("young servers are used while all others are draining: a chat server is replaced without a failed login", () => {
  const old = link("a");
  const { picked, selector } = open([old, link("b", "", { youngUntilMs: 10_000 })]);
  expect(picked("kim", "ann")).toBe("a");
  old.state = "draining";
  selector.changed();
  for (const account of ACCOUNTS) expect(picked("kim", account)).toBe("b");
});

test("a draining server gets no new channels, also when nobody else is there", () => {
  const only = link("a");
  const { picked, selector } = open([only]);
  only.state = "draining";
  selector.changed();
  expect(picked("kim", "ann")).toBeUndefined();
});

test("a link whose end nobody told is not picked", () => {
  const a = link("a"), b = link("b");
  const { picked } = open([a, b]);
  for (const account of ACCOUNTS) picked("kim", account);
  a.state = "closed";
  for (const account of ACCOUNTS) expect(picked("kim", account)).toBe("b");
  b.state = "closed";
  expect(picked("kim", "ann")).toBeUndefined();
});

test("of two links to one id the newer is used", () => {
  const sent: string[] = [];
  const send = (which: string) => () => sent.push(which) > 0;
  const { selector } = open([link("a", "", { send: send("old") }), link("a", "", { send: send("new") }), link("b")]);
  for (const account of ACCOUNTS) selector.pick("kim", account)!.send({} as never);
  expect([...new Set(sent)]).toEqual(["new"]);
});

test("clients that want JSON go to our servers only", () => {
  const { picked } = open([link("a", "", { kim: true }), link("b")]);
  for (const account of ACCOUNTS) expect(picked("kim", account, "json")).toBe("b");
  expect(new Set(ACCOUNTS.map((account) => picked("kim", account))).size).toBe(2);
  expect(open([link("a", "", { kim: true })]).picked("kim", "ann", "json")).toBeUndefined();
});

test("without an app zones do not matter", () => {
  const { picked, metrics } = open([link("a", "z1"), link("b", "z9")], TWO_ZONES);
  expect(new Set(ACCOUNTS.map((name) => picked("", name)))).toEqual(new Set(["a", "b"]));
  expect(metrics.read("petrel_no_server_in_zone_total", { zone: "z2" })).toBe(0);
});

test("a server that comes or goes moves only its share of accounts", () => {
  const { picked, selector } = open([link("a"), link("b"), link("c")]);
  const before = ACCOUNTS.map((account) => picked("kim", account));
  const d = link("d");
  selector.add(d);
  expect(ACCOUNTS.map((account) => picked("kim", account))).not.toEqual(before);
  selector.remove(d);
  expect(ACCOUNTS.map((account) => picked("kim", account))).toEqual(before);
});

test("the text before the first dot names the service", () => {
  expect(serviceOf("chat.user.talk")).toBe("chat");
  expect(serviceOf("login.signin")).toBe("chat");
  expect(serviceOf("shop.order")).toBeUndefined();
  expect(serviceOf("chat")).toBeUndefined();
  expect(serviceOf(".chat")).toBeUndefined();
});
