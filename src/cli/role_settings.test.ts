import { describe, expect, test } from "bun:test";
import { GatewaySettings } from "./gateway_settings.ts";
import { LogicSettings } from "./logic_settings.ts";
import { ROLE_SETTINGS } from "./role_settings.ts";
import { RouterSettings } from "./router_settings.ts";
import type { SettingsSchema } from "./setting.ts";
import { readSettings } from "./settings.ts";

const LONG = "a secret of the tests, thirty-two bytes";
const UPSTASH = { UPSTASH_REDIS_REST_URL: "http://localhost:8079", UPSTASH_REDIS_REST_TOKEN: "t" };
const ENV = {
  ...UPSTASH,
  PETREL_CLUSTER_SECRET: "c",
  PETREL_TOKEN_SECRET: "t",
  PETREL_API_KEY: "k",
  PETREL_ROYAL_URL: "http://localhost:8080",
};
function problems(schema: SettingsSchema, env: Record<string, string>, argv: string[] = []): readonly string[] {
  const read = readSettings(schema, argv, env, () => "");
  return "problems" in read ? read.problems : [];
}

describe("settings of a role", () => {
  test.each(["gateway", "logic", "royal", "router", "api"] as const)(
    "petrel %s starts with what a cluster has",
    (role) => {
      expect(problems(ROLE_SETTINGS[role], ENV)).toEqual([]);
    },
  );

  test("each says what it cannot be without, all at once", () => {
    expect(problems(GatewaySettings, {})).toEqual([
      "UPSTASH_REDIS_REST_URL: it is needed: sessions of all processes are kept there",
      "PETREL_CLUSTER_SECRET: it is needed: links are signed with it",
      "PETREL_TOKEN_SECRET: it is needed: clients' tokens are checked with it",
    ]);
    expect(problems(LogicSettings, {})).toEqual([
      "PETREL_ROYAL_URL: it is needed, or PETREL_DATABASE_URL: messages are kept there",
      "UPSTASH_REDIS_REST_URL: it is needed: sessions of all processes are kept there",
      "PETREL_CLUSTER_SECRET: it is needed: links are signed with it",
    ]);
    expect(problems(RouterSettings, {})).toEqual([
      "PETREL_NAMING: it is needed: upstash, consul://host:port or static:…",
    ]);
    expect(problems(RouterSettings, { UPSTASH_REDIS_REST_URL: "https://a.example" })).toEqual([
      "UPSTASH_REDIS_REST_TOKEN: it is needed, too",
    ]);
  });

  test("beyond this machine secrets are long, not well known, and the process says where it is reached", () => {
    const open = ["--http=0.0.0.0:8000"];
    expect(problems(GatewaySettings, ENV, open)).toEqual([
      "PETREL_CLUSTER_SECRET: expected 32 bytes or more, unless all addresses are on localhost",
      "PETREL_PUBLIC: it is needed: others cannot be told 0.0.0.0; give the host under which they reach this process",
      "PETREL_TOKEN_SECRET: expected 32 bytes or more, unless all addresses are on localhost",
    ]);
    const long = { ...ENV, PETREL_CLUSTER_SECRET: LONG, PETREL_TOKEN_SECRET: LONG };
    expect(problems(GatewaySettings, { ...long, PETREL_PUBLIC: "10.0.0.7" }, open)).toEqual([]);
    expect(problems(LogicSettings, { ...long, PETREL_PUBLIC: "[fd00::1]:9" }, ["--link=[::]:8005"])).toEqual([]);
    expect(problems(LogicSettings, ENV, ["--link=10.0.0.1:8005"])).toEqual([
      "PETREL_CLUSTER_SECRET: expected 32 bytes or more, unless all addresses are on localhost",
    ]);
  });

  test("a gateway without one of its ports is possible, without both not", () => {
    expect(problems(GatewaySettings, ENV, ["--http=off"])).toEqual([]);
    expect(problems(GatewaySettings, ENV, ["--tcp=off", "--public=chat.example:80"])).toEqual([]);
    expect(problems(GatewaySettings, ENV, ["--http=off", "--tcp=off"])).toEqual([
      '--tcp is "off": expected an address, or one for PETREL_HTTP: both are off',
    ]);
    expect(problems(GatewaySettings, ENV, ["--monitor=localhost:8000"])).toEqual([
      '--monitor is "localhost:8000": expected an address of its own',
    ]);
    expect(problems(GatewaySettings, ENV, ["--public=chat.example:80"])[0]).toMatch(
      /: expected a host: with two ports/,
    );
  });

  test("where others are found", () => {
    const naming = (given: string) => {
      const read = readSettings(RouterSettings, [`--naming=${given}`], UPSTASH, () => "");
      return "settings" in read ? read.settings.naming : read.problems;
    };
    expect(naming("upstash")).toEqual({ kind: "upstash" });
    expect(naming("consul://consul.internal:8500")).toEqual({ kind: "consul", url: "http://consul.internal:8500" });
    expect(naming("consul+https://consul.internal:8501/")).toEqual({
      kind: "consul",
      url: "https://consul.internal:8501",
    });
    expect(naming("static:chat=a:1")).toEqual({ kind: "static", list: "chat=a:1" });
    expect(naming("static:\n  chat=a@h:1\n")).toEqual({ kind: "static", list: "chat=a@h:1" });
    expect(naming("memory")).toEqual([expect.stringMatching(/memory is for one process alone/)]);
    for (const wrong of ["redis", "consul://a", "consul://a:1/b", "static:"]) {
      expect(naming(wrong)).toEqual([expect.stringMatching(/expected upstash, consul/)]);
    }
  });
});
