import { describe, expect, test } from "bun:test";
import { DevSettings } from "./dev_settings.ts";
import { didYouMean } from "./did_you_mean.ts";
import { formatHostPort, isLoopback, parseHostPort } from "./host_port.ts";
import { RoyalSettings } from "./royal_settings.ts";
import { WHO_MAY_ASK } from "./store_settings.ts";
import { ROLE_SETTINGS } from "./role_settings.ts";
import { readSettings } from "./settings.ts";
import { settingsHelp, settingsTable } from "./settings_help.ts";
import { withTable } from "../../scripts/gen_settings_table.ts";

interface From {
  argv?: string[];
  env?: Record<string, string>;
  file?: unknown;
}

function read({ argv = [], env = {}, file }: From) {
  return readSettings(DevSettings, file === undefined ? argv : ["--config", "petrel.json", ...argv], env, (path) => {
    if (path !== "petrel.json") throw new Error(`ENOENT: ${path}`);
    return typeof file === "string" ? file : JSON.stringify(file);
  });
}

function settings(from: From): DevSettings {
  const result = read(from);
  if ("problems" in result) throw new Error(result.problems.join("\n"));
  return result.settings;
}

function problems(from: From): readonly string[] {
  const result = read(from);
  return "problems" in result ? result.problems : [];
}

describe("readSettings", () => {
  test("has a default for everything that needs one", () => {
    expect(settings({})).toEqual({
      http: { hostname: "localhost", port: 8000 },
      tcp: { hostname: "localhost", port: 8001 },
      tlsCert: undefined,
      tlsKey: undefined,
      trustedProxies: undefined,
      domain: undefined,
      data: "./data",
      sync: "full",
      log: "info",
      serviceId: "gate01",
      node: 0,
      tokenSecret: undefined,
      apiKey: undefined,
      databaseUrl: undefined,
      inboxGroup: 500,
      retentionDays: 0,
      clusterSecret: undefined,
      kimPeers: undefined,
      royalUrl: undefined,
      royal: undefined,
      devices: 16,
      messageRate: 0,
      connectionsPerIp: 0,
      origins: ["*"],
      demo: "auto",
      drainMs: 500,
      fault: undefined,
    });
  });

  test("unix sockets, proxies and addresses for clients are read, and what cannot be is named", () => {
    const read = settings({ env: { PETREL_HTTP: "unix:/run/a.sock", PETREL_TRUSTED_PROXIES: "unix,10.0.0.0/8" } });
    expect(read.http).toEqual({ hostname: "", port: 0, unix: "/run/a.sock" });
    expect([read.trustedProxies!("10.9.8.7"), read.trustedProxies!("11.0.0.1")]).toEqual([true, false]);
    expect(settings({ argv: ["--domain", "wss://a.example, tls://b.example:1"] }).domain).toEqual([
      "wss://a.example",
      "tls://b.example:1",
    ]);
    expect(problems({ argv: ["--http=unix:/a", "--tcp=unix:/a"] })).toEqual([
      '--tcp is "unix:/a": expected another path than http has',
    ]);
    expect(problems({ argv: ["--tls-cert=a"] })).toEqual(['--tls-cert is "a": it needs its key too: PETREL_TLS_KEY']);
    expect(problems({ argv: ["--tls-key=a"] })).toEqual([
      '--tls-key is "a": it needs the certificate too: PETREL_TLS_CERT',
    ]);
    expect(problems({ argv: ["--http=unix:/a", "--tcp=unix:/b", "--tls-cert=c", "--tls-key=k"] })).toEqual([
      '--tls-cert is "c": nothing would use it: unix sockets have no TLS',
    ]);
    for (
      const wrong of ["--trusted-proxies=10.0.0.0/40", "--domain=chat.example", "--domain=wss://a,b", "--http=unix:"]
    ) {
      expect(problems({ argv: [wrong] })[0]).toMatch(/: expected /);
    }
  });

  test("flags win over variables, variables over the file, the file over defaults", () => {
    const from = {
      argv: ["--node=1"],
      env: { PETREL_NODE: "2", PETREL_DEVICES: "2" },
      file: { node: 3, devices: 3, drainMs: 3 },
    };
    expect(settings(from)).toMatchObject({ node: 1, devices: 2, drainMs: 3, messageRate: 0 });
  });

  test("takes lists from every place", () => {
    const origins = ["https://a.example", "http://localhost:3000"];
    expect(settings({ argv: ["--origins", origins.join(", ")] }).origins).toEqual(origins);
    expect(settings({ file: { origins } }).origins).toEqual(origins);
  });

  test("an empty variable counts as none, other programs' variables do not count", () => {
    expect(settings({ env: { PETREL_HTTP: "", HTTP: "x", PATH: "y" } }).http.port).toBe(8000);
  });

  const wrong = [
    { name: "an unknown flag", argv: ["--htpp", "x"], problem: "Unknown option --htpp: did you mean --http?" },
    { name: "a flag like no other", argv: ["--zzzzzzzz=1"], problem: "Unknown option --zzzzzzzz" },
    {
      name: "an unknown variable",
      env: { PETREL_MESAGE_RATE: "1" },
      problem: "Unknown variable PETREL_MESAGE_RATE: did you mean PETREL_MESSAGE_RATE?",
    },
    {
      name: "an unknown key",
      file: { messagerate: 1 },
      problem: "Unknown key messagerate in petrel.json: did you mean messageRate?",
    },
    { name: "a missing value", argv: ["--http", "--node=1"], problem: "--http needs a value" },
    { name: "a stray word", argv: ["start"], problem: "Unexpected argument start" },
    { name: "a missing file", argv: ["--config", "no.json"], problem: "Cannot read no.json: ENOENT: no.json" },
    { name: "a file that is a list", file: [], problem: /^Cannot read petrel\.json: expected an object/ },
    { name: "a file that is no JSON", file: "{", problem: /^Cannot read petrel\.json: / },
    {
      name: "an address without a port",
      env: { PETREL_HTTP: "localhost" },
      problem: `PETREL_HTTP is "localhost": expected host:port, IPv6 in brackets: [::1]:8000, or unix:/path`,
    },
    { name: "a number too large", file: { node: 1024 }, problem: /^node in petrel\.json is 1024: expected a whole/ },
    { name: "half a number", argv: ["--devices=1.5"], problem: /^--devices is "1\.5": expected a whole number/ },
    { name: "no number", argv: ["--devices="], problem: /^--devices is "": expected/ },
    { name: "an unknown word", argv: ["--sync", "fast"], problem: `--sync is "fast": expected full or normal` },
    { name: "a name with a slash", argv: ["--service-id", "a/b"], problem: /^--service-id is "a\/b": expected a name/ },
    {
      name: "an origin with a path",
      argv: ["--origins", "https://a.example/x"],
      problem: /^--origins is .*: expected \*/,
    },
    { name: "an object in the file", file: { http: { port: 1 } }, problem: /^http in petrel\.json is \{"port":1\}: / },
    { name: "one address for two", argv: ["--tcp=localhost:8000"], problem: /^--tcp is .*: expected another address/ },
  ];
  test.each(wrong)("refuses $name", ({ problem, name: _, ...from }) => {
    const found = problems(from);
    expect(found.length).toBe(1);
    if (typeof problem === "string") expect(found[0]).toBe(problem);
    else expect(found[0]).toMatch(problem);
  });

  test("names all problems at once", () => {
    const from = { argv: ["--htt=1", "--log=loud"], env: { PETREL_NODE: "-1", PETREL_X: "1" }, file: { datas: "x" } };
    expect(problems(from).length).toBe(5);
  });

  const secret = "s".repeat(32);
  const open = "0.0.0.0:8000";
  test("takes any secret on localhost, and only a good one elsewhere", () => {
    expect(settings({ argv: ["--token-secret=x"] }).tokenSecret).toBe("x");
    expect(settings({ argv: ["--http", open, "--token-secret", secret] }).tokenSecret).toBe(secret);
    expect(problems({ argv: ["--http", open, "--token-secret=short"] })[0]).toMatch(
      /^--token-secret: expected 32 bytes/,
    );
    const known = problems({ argv: ["--tcp", open], env: { PETREL_TOKEN_SECRET: "jwt-1sNzdiSgnNuxyq2g7xml2JvLArU" } });
    expect(known).toEqual(["PETREL_TOKEN_SECRET: everybody knows this one; it only works on localhost"]);
  });

  test("never shows a secret", () => {
    for (const value of ["", "hush", secret]) {
      const found = problems({ argv: ["--http", open, `--token-secret=${value}`, "--node=x"] }).join();
      expect(found.includes("hush") || found.includes(secret)).toBe(false);
    }
  });
});

describe("parseHostPort", () => {
  test.each([
    ["localhost:8000", "localhost", 8000],
    ["203.0.113.7:0", "203.0.113.7", 0],
    ["gate-1.example:65535", "gate-1.example", 65535],
    ["[::1]:80", "::1", 80],
    ["[2001:db8::7]:80", "2001:db8::7", 80],
    [":8000", "0.0.0.0", 8000],
  ])("reads %s", (text, hostname, port) => {
    expect(parseHostPort(text)).toEqual({ hostname, port });
    expect(parseHostPort(formatHostPort({ hostname, port }))).toEqual({ hostname, port });
  });

  test.each([
    "",
    "localhost",
    "8000",
    "::1:80",
    "[::1]",
    "[::g]:1",
    "[1:2]:3",
    "a:65536",
    "a:-1",
    "a b:1",
    "http://a:1",
    "a:1/",
  ])(
    "refuses %s",
    (text) => {
      expect(parseHostPort(text)).toBeUndefined();
    },
  );

  test("isLoopback knows what only this machine can reach", () => {
    expect(["localhost", "127.0.0.1", "127.1.2.3", "::1"].every(isLoopback)).toBe(true);
    expect(["0.0.0.0", "::", "10.0.0.1", "127.0.0.1.example", "example"].some(isLoopback)).toBe(false);
  });
});

test("didYouMean keeps quiet when nothing is near", () => {
  expect(didYouMean("--http", ["--tcp", "--log"])).toBe("");
  expect(didYouMean("--LOG", ["--tcp", "--log"])).toBe(": did you mean --log?");
});

describe("help", () => {
  test("has every setting with its flag, variable and default", () => {
    const help = settingsHelp(DevSettings);
    expect(help).toContain("--message-rate <number>");
    expect(help).toContain("PETREL_MESSAGE_RATE, default 0");
    expect(help).toContain("--config <file>");
    for (const schema of Object.values(ROLE_SETTINGS)) {
      expect(settingsHelp(schema).split("\n").filter((line) => line.length > 140)).toEqual([]);
    }
  });

  test("and the table of README.md the same, between its marks", () => {
    const table = settingsTable(ROLE_SETTINGS);
    expect(table).toMatch(/\| `PETREL_SYNC` \| `--sync` \| `full` \| full: an answer.* \| dev, royal \|/);
    expect(table).toMatch(/\| `PETREL_ROYAL` \| `--royal` \| `localhost:8080` .* \| royal \|/);
    expect(table).toMatch(/\| `PETREL_ROYAL` \| `--royal` \| {2}\| .* \| dev \|/);
    const readme =
      "# a\n<!-- settings: written by scripts/gen_settings_table.ts -->\nOUTDATED\n<!-- end of settings -->\nb";
    const fresh = withTable(readme, table)!;
    expect(fresh).toContain(table);
    expect(fresh.endsWith("\nb") && fresh.startsWith("# a\n") && !fresh.includes("OUTDATED")).toBe(true);
    expect(withTable(fresh, table)).toBe(fresh);
    expect(withTable("# no place", table)).toBeUndefined();
  });

  test("royal wants to know who may ask it, and a real secret beyond this machine", () => {
    const royal = (...argv: string[]) => {
      const result = readSettings(RoyalSettings, argv, {}, () => "");
      return "problems" in result ? result.problems : [];
    };
    expect(royal()).toEqual([`PETREL_CLUSTER_SECRET: ${WHO_MAY_ASK}`]);
    expect(royal("--cluster-secret=short")).toEqual([]);
    expect(royal("--kim-peers=10.0.0.0/8")).toEqual([]);
    expect(royal("--cluster-secret=short", "--royal=:8080")).toEqual([
      "--cluster-secret: expected 32 bytes or more, unless all addresses are on localhost",
    ]);
    expect(royal("--cluster-secret=jwt-1sNzdiSgnNuxyq2g7xml2JvLArU", "--royal=:8080")).toEqual([
      "--cluster-secret: everybody knows this one; it only works on localhost",
    ]);
    expect(royal("--cluster-secret=0123456789abcdef0123456789abcdef", "--royal=:8080")).toEqual([]);
    expect(royal("--cluster-secret=a", "--kim-peers=somewhere")[0]).toContain("--kim-peers");
  });

  test("a variable of another role is no problem, one of none is", () => {
    const read = (env: Record<string, string>) => readSettings(RoyalSettings, ["--kim-peers=unix"], env, () => "");
    expect("settings" in read({ PETREL_HTTP: "localhost:1" })).toBe(true);
    expect(read({ PETREL_HTPP: "1" })).toEqual({ problems: ["Unknown variable PETREL_HTPP"] });
  });

  test("dev keeps messages in one place, and its own royal needs to know who may ask", () => {
    const url = "http://localhost:8080";
    expect(problems({ argv: ["--royal-url", url, "--database-url=postgres://a/b"] })[0]).toContain("not both");
    expect(problems({ argv: ["--royal-url", url, "--royal=:8080", "--kim-peers=unix"] })[0]).toContain("--royal");
    expect(problems({ argv: ["--royal=localhost:8080"] })[0]).toContain(WHO_MAY_ASK);
    expect(problems({ argv: ["--royal-url=http://far.example:1", "--cluster-secret=short"] })[0]).toContain("32 bytes");
    expect(problems({ argv: ["--royal-url", url, "--cluster-secret=short"] })).toEqual([]);
    expect(problems({ argv: ["--royal-url=ftp://a"] })[0]).toContain("--royal-url");
  });
});
