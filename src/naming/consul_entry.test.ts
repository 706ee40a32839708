import { expect, test } from "bun:test";
import { testInstance } from "../../tests/contract/naming.ts";
import { type ConsulEntry, isLater, livingOf, readAgentService, readHealth, registrationOf } from "./consul_entry.ts";
import { nextIndex } from "./consul_watch.ts";

const GATE = testInstance({
  service: "wgateway",
  id: "gate01",
  protocol: "ws",
  host: "10.0.0.5",
  port: 8000,
  tags: ["IDC:SH_ALI"],
  domain: "wss://chat.example.test",
  healthUrl: "http://10.0.0.5:8009/health",
});

/** What Consul says of a registration. */
function answered(request: Record<string, unknown>, status = "passing") {
  const { ID, Name, Address, Port, Tags, Meta } = request;
  return {
    Node: { Address: "10.9.9.9" },
    Service: { ID, Service: Name, Address, Port, Tags, Meta },
    Checks: [{ Status: status }],
  };
}

test("a registration says what the wire asks for", () => {
  expect(registrationOf(GATE, "gate01", 1234)).toEqual({
    ID: "gate01",
    Name: "wgateway",
    Address: "10.0.0.5",
    Port: 8000,
    Tags: ["IDC:SH_ALI"],
    Meta: {
      protocol: "ws",
      health_url: "http://10.0.0.5:8009/health",
      domain: "wss://chat.example.test",
      incarnation: "run-of-gate01",
      since: "1234",
    },
    Check: {
      CheckID: "gate01_normal",
      Name: "gate01_normal",
      HTTP: "http://10.0.0.5:8009/health",
      Timeout: "1s",
      Interval: "10s",
      DeregisterCriticalServiceAfter: "1m",
      Status: "passing",
    },
  });
});

test("a server without a health URL is checked by a connection", () => {
  const { Check } = registrationOf(testInstance({ host: "fd00::1", port: 8005 }), "chat01", 1) as { Check: object };
  expect(Check).toMatchObject({ TCP: "[fd00::1]:8005", Interval: "10s" });
  expect(Check).not.toHaveProperty("HTTP");
});

test.each([GATE, testInstance({ zone: "z1" }), testInstance({ healthUrl: "" })])(
  "what was registered is read again",
  (instance) => {
    for (const consulId of [instance.id, `${instance.service}-${instance.id}`]) {
      const read = readHealth(instance.service, [answered(registrationOf(instance, consulId, 77))]);
      expect(read).toEqual({ unreadable: 0, entries: [{ instance, consulId, sinceMs: 77, passes: true }] });
    }
  },
);

test("a KIM server has no run; without an address it is at its node's", () => {
  const Meta = { protocol: "tcp", zone: "zone_ali_03", health_url: "http://10.0.0.7:8006/health" };
  const kim = { ID: "chat01", Name: "chat", Address: "", Port: 8005, Tags: null, Meta };
  expect(readHealth("chat", [answered(kim)])!.entries[0]).toMatchObject({
    sinceMs: 0,
    instance: { id: "chat01", incarnation: "", host: "10.9.9.9", port: 8005, tags: [], zone: "zone_ali_03" },
  });
});

test("a server passes when all of its checks do", () => {
  const request = registrationOf(GATE, "gate01", 1);
  expect(readHealth("wgateway", [answered(request, "critical")])!.entries[0]!.passes).toBe(false);
  expect(readHealth("wgateway", [answered(request, "warning")])!.entries[0]!.passes).toBe(false);
  expect(readHealth("wgateway", [{ ...answered(request), Checks: null }])!.entries[0]!.passes).toBe(false);
  expect(readHealth("wgateway", [{ ...answered(request), Checks: [] }])!.entries[0]!.passes).toBe(true);
});

test("entries that make no sense are left out and counted", () => {
  const good = answered(registrationOf(GATE, "gate01", 1));
  const bad = [
    null,
    7,
    "x",
    {},
    { Service: [] },
    { ...good, Service: { ...good.Service, Port: 0 } },
    { ...good, Service: { ...good.Service, Port: "8000" } },
    { ...good, Service: { ...good.Service, Port: 70_000 } },
    { ...good, Service: { ...good.Service, ID: "" } },
    { ...good, Service: { ...good.Service, Meta: { protocol: "udp" } } },
    { ...good, Node: {}, Service: { ...good.Service, Address: "" } },
  ];
  const read = readHealth("wgateway", [...bad, good])!;
  expect(read.unreadable).toBe(bad.length);
  expect(read.entries.length).toBe(1);
  for (const json of [undefined, null, {}, "x", 3]) expect(readHealth("wgateway", json)).toBeUndefined();
});

test("odd metas and tags are read as far as they go", () => {
  const good = answered(registrationOf(GATE, "gate01", 1));
  const Service = { ...good.Service, Tags: ["a", 7, null, "b"], Meta: { since: "later", zone: 5, domain: null } };
  expect(readHealth("wgateway", [{ ...good, Service }])!.entries[0]).toMatchObject({
    sinceMs: 0,
    instance: { tags: ["a", "b"], zone: "", domain: "", protocol: "tcp" },
  });
});

test("of two living runs of one id the later one counts, for everybody the same", () => {
  const entry = (incarnation: string, sinceMs: number, passes = true): ConsulEntry => ({
    instance: testInstance({ incarnation }),
    consulId: "chat01",
    sinceMs,
    passes,
  });
  const runs = (...entries: ConsulEntry[]) => livingOf(entries).map(({ incarnation }) => incarnation);
  expect(runs(entry("a", 1), entry("b", 2))).toEqual(["b"]);
  expect(runs(entry("b", 2), entry("a", 1))).toEqual(["b"]);
  expect(runs(entry("a", 1), entry("b", 2, false))).toEqual(["a"]);
  expect(runs(entry("a", 1), entry("b", 1))).toEqual(["b"]);
  expect(isLater(entry("a", 1), entry("a", 1))).toBe(false);
});

test("what an agent has under an id is its service and run", () => {
  expect(readAgentService({ ID: "x", Service: "chat", Meta: { incarnation: "r" } })).toEqual({
    service: "chat",
    incarnation: "r",
  });
  expect(readAgentService({ Service: "chat", Meta: null })).toEqual({ service: "chat", incarnation: "" });
  expect(readAgentService([])).toBeUndefined();
});

test.each([
  ["the first answer", 0, 12, 12],
  ["a change", 12, 13, 13],
  ["no change", 12, 12, 12],
  ["backwards: begin anew", 12, 11, 0],
  ["0 at first: wait for 1", 0, 0, 1],
  ["0 later: begin anew", 12, 0, 0],
  ["none: begin anew", 12, undefined, 0],
])("the next index after %s", (_what, before, answered, next) => {
  expect(nextIndex(before, answered)).toBe(next);
});
