import { describe, expect, test } from "bun:test";
import { readSettings } from "../settings.ts";
import { ROLE_SETTINGS } from "../role_settings.ts";
import { CLUSTER_PORTS, type ClusterPlan, MOST, placesOf, type Run } from "./plan.ts";

const secrets = { token: "t", cluster: "c", upstash: "u", api: "a" };

function planOf(more: Partial<ClusterPlan> = {}): ClusterPlan {
  const counts = { ws: 2, tcp: 1, logic: 2, port: 8000, data: "/d", log: "info" };
  return { ...counts, database: undefined, upstash: undefined, secrets, told: {}, ...more };
}

/** Every run of a plan, on both turns. */
function runs(plan: ClusterPlan): { name: string; role: string; turn: 0 | 1; run: Run }[] {
  return placesOf(plan).places.flatMap(({ name, role, run }) =>
    ([0, 1] as const).map((turn) => ({ name, role, turn, run: run(turn) }))
  );
}

function ports({ env }: Run): string[] {
  const names = ["PETREL_HTTP", "PETREL_TCP", "PETREL_LINK", "PETREL_MONITOR", "PETREL_ROYAL"];
  return names.flatMap((name) => env[name]?.match(/\d+$/)?.[0] ?? []);
}

describe("the plan of a cluster", () => {
  test("gateways are where petrel dev has its ports, the others near", () => {
    const urls = placesOf(planOf()).places.flatMap(({ run }) => Object.entries(run(1).urls));
    expect(urls.filter(([kind]) => kind === "ws" || kind === "tcp").map(([, url]) => url)).toEqual([
      "ws://localhost:8000",
      "ws://localhost:8002",
      "tcp://localhost:8001",
    ]);
  });

  test("no two places share a port, and the turns of one place share only those of clients and royal", () => {
    const all = runs(planOf({ ws: MOST, tcp: MOST, logic: MOST }));
    const owner = new Map<string, string>();
    for (const { name, run } of all) {
      for (const port of ports(run)) {
        expect([port, owner.get(port) ?? name]).toEqual([port, name]);
        owner.set(port, name);
      }
    }
    expect([...owner.keys()].every((port) => Number(port) < 8000 + CLUSTER_PORTS)).toBe(true);
    for (const name of ["logic1", "ws1"]) {
      const [one, other] = all.filter((one) => one.name === name);
      expect(one!.run.readyUrl).not.toBe(other!.run.readyUrl);
      expect(one!.run.env["PETREL_LINK"] === other!.run.env["PETREL_LINK"]).toBe(name === "ws1");
    }
  });

  test("every role takes the settings it is given", () => {
    for (const { role, run } of runs(planOf({ told: { PETREL_DEVICES: "3", PETREL_INBOX_GROUP: "4" } }))) {
      if (role === "upstash") continue;
      const schema = ROLE_SETTINGS[role as keyof typeof ROLE_SETTINGS];
      const read = readSettings(schema, [], { ...run.env, PETREL_SERVICE_ID: "a" }, () => "");
      expect([role, read]).toEqual([role, { settings: expect.anything() }]);
    }
  });

  test("a person's variables reach every process, limits too; the plan's own win", () => {
    const told = { PETREL_MESSAGE_RATE: "5", PETREL_LOG: "error" };
    const gateway = runs(planOf({ told })).find(({ role }) => role === "gateway")!.run;
    expect(gateway.env).toMatchObject({ PETREL_MESSAGE_RATE: "5", PETREL_CONNECTIONS_PER_IP: "0", PETREL_LOG: "info" });
  });

  test("with an Upstash Redis no stand-in is started; with PostgreSQL two royals may run side by side", () => {
    const upstash = { url: "https://a.example", token: "secret" };
    const { places } = placesOf(planOf({ upstash, database: "postgres://a/b" }));
    expect(places.map(({ role }) => role)).not.toContain("upstash");
    expect(places[0]!.run(0).env).toMatchObject({
      UPSTASH_REDIS_REST_URL: upstash.url,
      PETREL_DATABASE_URL: "postgres://a/b",
    });
    expect([places[0]!.sideBySide, placesOf(planOf()).places[1]!.sideBySide]).toEqual([true, false]);
  });
});
