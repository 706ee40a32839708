import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../../base/fake_clock.ts";
import type { HttpEnv } from "../../comm/ports.ts";
import type { Instance } from "../../naming/naming.ts";
import { crc32 } from "../../protocol/crc32.ts";
import { type PickGateways, routerApp } from "./app.ts";
import { gatewaysByRegion } from "./by_region.ts";
import { GatewayList } from "./gateway_list.ts";
import { DEFAULT_REGIONS, readRegions } from "./regions.ts";

const COUNTRIES: Readonly<Record<string, string>> = {
  "1.2.3.4": "CN",
  "5.6.7.8": "DE",
  "1.36.0.1": "HK",
  "8.8.4.4": "XX",
};
const countryOf = (ip: string): string | undefined => COUNTRIES[ip];

/** Naming that the test tells. */
class Told {
  tell: (instances: readonly Instance[]) => void = () => {};
  stopped = false;
  subscribe(service: string, changed: (instances: readonly Instance[]) => void) {
    expect(service).toBe("wgateway");
    this.tell = changed;
    return { stop: () => void (this.stopped = true) };
  }
}

function gateway(id: string, idc = "SH_ALI", domain = `ws://${id}`): Instance {
  const tags = idc === "" ? [] : ["ws", `IDC:${idc}`];
  const where = { host: "10.0.0.1", port: 8000, zone: "", healthUrl: "", incarnation: "x" };
  return { service: "wgateway", id, protocol: "ws", tags, domain, ...where };
}

function router(files: { mapping?: unknown; regions?: unknown } = {}) {
  const told = new Told();
  const gateways = new GatewayList(told);
  const pick = gatewaysByRegion({ gateways, regions: readRegions({ ...DEFAULT_REGIONS, ...files }), countryOf });
  const ask = (key: string, remoteIp = "1.2.3.4") => answerOf(pick, key, remoteIp);
  return { told, gateways, ask, pick };
}

function answerOf(pick: PickGateways, key: string, remoteIp: string) {
  const answer = pick({ key, remoteIp, host: "h", secure: false });
  if (answer instanceof Promise) throw new Error("waited");
  return answer;
}

function domainsOf(answer: ReturnType<typeof answerOf>): readonly string[] {
  if ("status" in answer) throw new Error(answer.message);
  return answer.domains;
}

describe("gatewaysByRegion", () => {
  test("the vectors' hashes: of more than three, the key's place in the ring and the next two", () => {
    const { told, ask } = router();
    told.tell(["g4", "g0", "g3", "g1", "g2"].map((id) => gateway(id)));
    // crc32: kim 3cff30d8, test1 8ab2dce2, account_42 16768862 (tests/vectors/wire.json); mod 50, div 10.
    for (const [key, hash] of [["kim", 0x3cff30d8], ["test1", 0x8ab2dce2], ["account_42", 0x16768862]] as const) {
      expect(crc32(key)).toBe(hash);
      const first = Math.floor((hash % 50) / 10);
      expect(ask(key)).toEqual({ location: "中国", domains: [0, 1, 2].map((step) => `ws://g${(first + step) % 5}`) });
    }
    expect(domainsOf(ask("kim"))).toEqual(["ws://g4", "ws://g0", "ws://g1"]);
  });

  test("up to three are all told, by id, each URL once; without a URL none can be told", () => {
    const { told, ask } = router();
    told.tell([gateway("c"), gateway("b"), gateway("d", "SH_ALI", ""), gateway("a", "sh_ali")]);
    expect(domainsOf(ask("any"))).toEqual(["ws://a", "ws://b", "ws://c"]);
    told.tell(["a", "b", "c", "d", "e"].map((id) => gateway(id, "SH_ALI", id < "d" ? "wss://one" : `wss://${id}`)));
    expect([...domainsOf(ask("any"))].sort()).toEqual(["wss://d", "wss://e", "wss://one"]);
  });

  test("what left naming is told no more; none at all is an empty list", () => {
    const { told, ask, gateways } = router();
    told.tell([gateway("a"), gateway("b")]);
    told.tell([gateway("b")]);
    expect(domainsOf(ask("x"))).toEqual(["ws://b"]);
    told.tell([]);
    expect(domainsOf(ask("x"))).toEqual([]);
    gateways[Symbol.dispose]();
    expect(told.stopped).toBe(true);
  });

  test("before naming has told anything: 503; no region: 403; a region that is nowhere: 500", () => {
    const { told, ask } = router();
    expect(ask("x")).toMatchObject({ status: 503, code: "NOT_READY" });
    told.tell([gateway("a")]);
    expect(ask("x", "5.6.7.8")).toMatchObject({ status: 403, code: "NO_REGION" });
    expect(ask("x", "1.36.0.1")).toMatchObject({ status: 500, code: "UNKNOWN_REGION" });
  });

  test("a place is mapped by name, by code, or by * for all others; keys without regard to case", () => {
    const regions = [{ id: "ec", idcs: [{ id: "Sh_Ali", weight: 1 }] }, { id: "W", idcs: [{ id: "W1", weight: 1 }] }];
    const { told, ask } = router({
      mapping: [{ region: "EC", locations: ["cn"] }, { region: "w", locations: ["*"] }],
      regions,
    });
    told.tell([gateway("a", "SH_ALI"), gateway("b", "w1")]);
    expect(ask("x")).toEqual({ location: "中国", domains: ["ws://a"] });
    expect(ask("x", "5.6.7.8")).toEqual({ location: "德国", domains: ["ws://b"] });
  });

  test.each([
    "10.0.0.1",
    "192.168.1.1",
    "172.16.5.5",
    "127.0.0.1",
    "::1",
    "fe80::1",
    "fd00::1",
    "unix",
    "",
    "x".repeat(9_999),
    "8.8.4.4",
    "9.9.9.9",
  ])(
    "%s is in China: private, unknown, or no address",
    (ip) => {
      const { told, ask } = router();
      told.tell([gateway("a")]);
      expect(ask("x", ip)).toEqual({ location: "中国", domains: ["ws://a"] });
    },
  );

  test("a database that breaks does not break the look-up; IPv4 in IPv6 clothes is IPv4", () => {
    const told = new Told(), asked: string[] = [];
    const pick = gatewaysByRegion({
      gateways: new GatewayList(told),
      regions: readRegions(DEFAULT_REGIONS),
      countryOf: (ip) => {
        asked.push(ip);
        throw new Error("broken");
      },
    });
    told.tell([gateway("a")]);
    expect(answerOf(pick, "x", "::ffff:1.2.3.4")).toMatchObject({ location: "中国" });
    expect(asked).toEqual(["1.2.3.4"]);
  });

  const two = {
    regions: [{ id: "EC", idcs: [{ id: "A", weight: 3 }, { id: "B", weight: 1 }, { id: "Z", weight: 0 }] }],
  };

  test("a data centre without gateways leaves its clients to the next; one with weight 0 takes none", () => {
    const { told, ask } = router(two);
    told.tell([gateway("b", "B"), gateway("z", "Z")]);
    for (let i = 0; i < 50; i++) expect(domainsOf(ask(`k${i}`))).toEqual(["ws://b"]);
    told.tell([gateway("z", "Z")]);
    expect(domainsOf(ask("k"))).toEqual([]);
  });

  test("where no gateway names a data centre, all serve", () => {
    const { told, ask } = router(two);
    told.tell([gateway("a", ""), gateway("b", "")]);
    expect(domainsOf(ask("k"))).toEqual(["ws://a", "ws://b"]);
  });

  test("weights are kept: each slot belongs to its data centre", () => {
    const { told, ask } = router(two);
    told.tell([gateway("a", "A"), gateway("b", "B")]);
    let inA = 0;
    for (let i = 0; i < 4_000; i++) {
      const key = `key ${i}`;
      const isA = domainsOf(ask(key))[0] === "ws://a";
      expect(isA).toBe(crc32(key) % 4 < 3);
      if (isA) inA++;
    }
    expect(inA).toBeGreaterThan(2_850);
    expect(inA).toBeLessThan(3_150);
  });

  test("for any gateways and keys: the same answer twice, three at most, all of them there, none of a wrong data centre", () => {
    const idcs = fc.array(fc.record({ id: fc.constantFrom("A", "B", "C", "D"), weight: fc.nat(5) }), {
      minLength: 1,
      maxLength: 4,
    });
    const gates = fc.uniqueArray(fc.tuple(fc.nat(30), fc.constantFrom("A", "b", "C", "E", "")), {
      selector: ([n]) => n,
      maxLength: 12,
    });
    fc.assert(fc.property(idcs, gates, fc.string(), (some, list, key) => {
      const unique = [...new Map(some.map((one) => [one.id, one])).values()];
      fc.pre(unique.some(({ weight }) => weight > 0));
      const { told, ask } = router({ regions: [{ id: "EC", idcs: unique }] });
      const instances = list.map(([n, idc]) => gateway(`g${n}`, idc));
      told.tell(instances);
      const domains = domainsOf(ask(key));
      expect(domainsOf(ask(key))).toEqual(domains);
      told.tell([...instances].reverse());
      expect(domainsOf(ask(key))).toEqual(domains);
      expect(domains.length).toBeLessThanOrEqual(3);
      const tagged = list.some(([, idc]) => idc !== "");
      const used = new Set<string>(unique.filter(({ weight }) => weight > 0).map(({ id }) => id));
      const serving = list.filter(([, idc]) => !tagged || used.has(idc.toUpperCase()));
      const seen = domains.map((domain) => serving.find(([n]) => `ws://g${n}` === domain)!);
      expect(seen.includes(undefined as never)).toBe(false);
      expect(domains.length === 0).toBe(serving.length === 0);
      if (tagged) expect(new Set(seen.map(([, idc]) => idc.toUpperCase())).size).toBeLessThanOrEqual(1);
    }));
  });

  test("refusals are JSON with code and message; 503 says when to come back", async () => {
    const { told, pick } = router();
    const app = routerApp({ pick, clock: new FakeClock(), origins: ["*"] });
    const env = (remoteIp: string): HttpEnv => ({
      remote: `${remoteIp}:1`,
      remoteIp,
      secure: false,
      upgrade: () => new Response(null),
    });
    const ask = async (ip: string) => {
      const answer = await app.request("/api/lookup/x", {}, env(ip));
      return [answer.status, (await answer.json() as { code?: string }).code, answer.headers.get("retry-after")];
    };
    expect(await ask("1.2.3.4")).toEqual([503, "NOT_READY", "1"]);
    told.tell([gateway("a")]);
    expect(await ask("1.2.3.4")).toEqual([200, undefined, null]);
    expect(await ask("5.6.7.8")).toEqual([403, "NO_REGION", null]);
    expect(await ask("1.36.0.1")).toEqual([500, "UNKNOWN_REGION", null]);
  });
});
