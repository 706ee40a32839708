import { describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { everySetting, ROLE_SETTINGS } from "../../src/cli/role_settings.ts";
import { namedSettings } from "../../src/cli/setting.ts";
import { readSettings } from "../../src/cli/settings.ts";
import { sourceFiles } from "../../scripts/source_files.ts";
import { type Plain, readYaml } from "../support/plain_yaml.ts";
import { ROOT } from "../support/processes.ts";
import { tempDir } from "../support/temp.ts";

const DEPLOY = `${ROOT}scripts/deploy/`;
const read = (file: string) => readFileSync(DEPLOY + file, "utf8");
const SECRET = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const curl = spawnSync("curl", ["--version"]).status === 0;
const MORE_COMMANDS = ["upstash"];

type Env = Record<string, string>;
type Role = keyof typeof ROLE_SETTINGS;

function roleOf(command: string): Role {
  expect(Object.keys(ROLE_SETTINGS)).toContain(command);
  return command as Role;
}

/** `NAME=value` lines; secrets that are left to the reader are filled in, `…` is a word. */
function envFile(file: string): Env {
  const lines = read(file).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(lines.map((line) => {
    const [, name, value] = /^([A-Z_]+)=(.*)$/.exec(line)!;
    return [name!, value === "" ? SECRET : value!.replace("…", "word")];
  }));
}

/** The settings a role has with that environment, or why it would not start. */
function settingsOf(role: Role, env: Env): Record<string, unknown> {
  const found = readSettings(ROLE_SETTINGS[role], [], env, () => "");
  expect("problems" in found ? found.problems : []).toEqual([]);
  return (found as { settings: Record<string, unknown> }).settings;
}

/** A duration like 45, 45s. */
const seconds = (text: string) => Number(text.replace(/s$/, ""));

/** How long a role takes to stop at most, in s: it drains, answers, and closes what is left. */
const stopSeconds = (settings: Record<string, unknown>) => Number(settings["drainMs"] ?? 0) / 1000 + 2 + 2 * 1.5;

describe("scripts/deploy", () => {
  const units = readdirSync(`${DEPLOY}systemd`).filter((file) => file.endsWith(".service"));

  test.each(units)("%s starts a role whose settings are right, and gives it time to stop", (file) => {
    const lines = read(`systemd/${file}`).split("\n").filter((line) => line.includes("=") && !line.startsWith("#"));
    const unit = new Map<string, string[]>();
    for (const line of lines) {
      const at = line.indexOf("=");
      unit.set(line.slice(0, at), [...unit.get(line.slice(0, at)) ?? [], line.slice(at + 1)]);
    }
    const only = (name: string) => (expect(unit.get(name)).toHaveLength(1), unit.get(name)![0]!);
    const command = /^\/usr\/local\/bin\/bun src\/cli\/main\.ts (\w+)$/.exec(only("ExecStart"))![1]!;
    const role = roleOf(command);
    const env: Env = {};
    for (const path of unit.get("EnvironmentFile")!) {
      const name = /^-?\/etc\/petrel\/(.+\.env)$/.exec(path)![1]!.replace("%i", "a");
      Object.assign(env, envFile(`systemd/${name}.example`));
    }
    for (const own of unit.get("Environment") ?? []) {
      Object.assign(env, Object.fromEntries([own.split("=") as [string, string]]));
    }
    const settings = settingsOf(role, env);
    expect(seconds(only("TimeoutStopSec"))).toBeGreaterThan(stopSeconds(settings));
    expect(only("Type")).toBe("exec");
    expect(only("KillSignal")).toBe("SIGTERM");
    expect(only("RestartPreventExitStatus")).toBe("2");
    expect(existsSync(`${ROOT}${only("ExecStart").split(" ")[1]}`)).toBe(true);
    const variables = new Set(namedSettings(ROLE_SETTINGS[role]).map(({ variable }) => variable));
    const [, ownFile] = unit.get("EnvironmentFile")!;
    const own = envFile(`systemd/${/([^/]+\.env)$/.exec(ownFile!)![1]!.replace("%i", "a")}.example`);
    expect(Object.keys(own).filter((name) => !variables.has(name))).toEqual([]); // each means something to that role
  });

  const verifies = spawnSync("systemd-analyze", ["--version"]).status === 0;
  test.skipIf(!verifies)("systemd finds nothing wrong with the units", async () => {
    await using dir = await tempDir();
    for (const file of units) {
      writeFileSync(
        dir.in(file.replace("@", "@a")),
        read(`systemd/${file}`).replace("/usr/local/bin/bun", "/bin/true"),
      );
    }
    const files = units.map((file) => dir.in(file.replace("@", "@a")));
    const { status, stderr, stdout } = spawnSync("systemd-analyze", ["verify", "--man=no", ...files], {
      encoding: "utf8",
    });
    const ours = `${stdout}${stderr}`.split("\n").filter((line) => line.includes("petrel"));
    expect(ours).toEqual([]);
    expect(status === 0 || ours.length === 0).toBe(true);
  });

  test("compose.yaml starts roles with right settings, in an order that can be", () => {
    const file = readYaml(read("compose/compose.yaml")) as {
      services: Record<string, Record<string, Plain>>;
      volumes: Env;
    };
    const { services } = file;
    const given = envFile("compose/petrel.env.example");
    expect(Object.keys(services)).toEqual([
      ...["postgres", "redis", "upstash", "royal", "logic-1", "logic-2", "gateway-1", "gateway-2"],
      ...["router", "api", "nginx"],
    ]);
    for (const [name, service] of Object.entries(services)) {
      const at = `service ${name}`;
      const depends = service["depends_on"] as Record<string, Env> | undefined ?? {};
      for (const [other, { condition }] of Object.entries(depends)) {
        expect([at, Object.keys(services).indexOf(other) < Object.keys(services).indexOf(name)]).toEqual([at, true]);
        expect([at, condition, "healthcheck" in services[other]!]).toEqual([at, "service_healthy", true]);
      }
      for (const volume of service["volumes"] as string[] | undefined ?? []) {
        const from = volume.split(":")[0]!;
        const there = from.startsWith(".") ? existsSync(`${DEPLOY}compose/${from}`) : from in file.volumes;
        expect([at, from, there]).toEqual([at, from, true]);
      }
      if (service["image"] !== "petrel") continue;
      const [command = ""] = service["command"] as string[];
      if (MORE_COMMANDS.includes(command)) continue;
      const role = roleOf(command);
      const own = Object.fromEntries(
        Object.entries(service["environment"] as Env).map((
          [key, value],
        ) => [key, value.replace(/\$\{\w+:\?\}/, "word")]),
      );
      const variables = new Set(namedSettings(ROLE_SETTINGS[role]).map(({ variable }) => variable));
      expect([at, Object.keys(own).filter((key) => !variables.has(key))]).toEqual([at, []]);
      const settings = settingsOf(role, { ...given, ...own });
      expect(seconds(service["stop_grace_period"] as string)).toBeGreaterThan(stopSeconds(settings));
      // The health check asks where the process answers.
      const [, port] = /localhost:(\d+)/.exec((service["healthcheck"] as { test: string[] }).test.join(" "))!;
      const monitor = own["PETREL_MONITOR"] ?? own["PETREL_ROYAL"] ?? own["PETREL_HTTP"];
      expect([at, monitor?.endsWith(`:${port}`)]).toEqual([at, true]);
    }
  });

  test("the image has what it copies, and starts a command", () => {
    const lines = read("Dockerfile").split("\n");
    const copied = lines.filter((line) => line.startsWith("COPY")).flatMap((line) => line.split(" ").slice(1, -1));
    expect(copied.filter((path) => !existsSync(ROOT + path))).toEqual([]);
    const kept = read("Dockerfile.dockerignore").split("\n").filter((line) => line.startsWith("!"));
    expect(kept.map((line) => line.slice(1)).sort()).toEqual(copied.sort());
    expect(lines).toContain('ENTRYPOINT ["bun", "src/cli/main.ts"]');
    const { status, stdout } = spawnSync("bun", ["src/cli/main.ts", "help"], { cwd: ROOT, encoding: "utf8" });
    if (status === null) return; // no Bun here
    for (const command of [...Object.keys(ROLE_SETTINGS), ...MORE_COMMANDS]) expect(stdout).toContain(`  ${command} `);
  });

  test.each(["cluster.md", "running.md"])(
    "what src/docs/%s tells people to look at, and to set, is there",
    async (page) => {
      const text = readFileSync(`${ROOT}src/docs/${page}`, "utf8");
      const files = await sourceFiles(ROOT);
      const sources = files.filter(({ path }) => /^src\/.*(?<!test)\.ts$/.test(path)).map((one) => one.text).join("\n");
      const { variables } = everySetting();
      const metrics = new Set(text.match(/petrel_[a-z_]+[a-z]/g));
      expect([...metrics].filter((name) => !sources.includes(name))).toEqual([]);
      const named = new Set(text.match(/\b(PETREL|UPSTASH)_[A-Z_]+[A-Z]/g));
      expect([...named].filter((name) => !variables.has(name))).toEqual([]);
      // The first column of the table of what /ready says; what varies is cut off.
      const table = /\| `\/ready` says [^]*?\n\n/.exec(text)?.[0] ?? "";
      const says = table.split("\n").flatMap((line) => line.split("|")[1]?.match(/`[^`]+`/g) ?? []).slice(1);
      const parts = says.map((one) => one.slice(1, -1).split("…")[0]!.trim().replace(/:$/, ""));
      expect(parts.filter((part) => !sources.includes(part))).toEqual([]);
      expect(parts.length).toBe(page === "cluster.md" ? 11 : 0);
    },
  );

  describe("roll.sh", () => {
    /** What it asks systemctl for, when the new instances' /ready answers like this; and its exit code. */
    async function roll(status: number): Promise<{ code: unknown; calls: string[] }> {
      await using dir = await tempDir();
      const server = createServer((_, answer) => answer.writeHead(status).end());
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      for (const name of ["b", "d"]) writeFileSync(dir.in(`gateway-${name}.env`), `PETREL_MONITOR=${at}\n`);
      writeFileSync(dir.in("systemctl"), `#!/bin/sh\necho "$@" >> ${dir.in("calls")}\n`, { mode: 0o755 });
      const env = {
        ...process.env,
        PETREL_ETC: dir.path,
        PETREL_TRIES: "1",
        PATH: `${dir.path}:${process.env["PATH"]}`,
      };
      const args = [`${DEPLOY}systemd/roll.sh`, "gateway", "a=b", "c=d"];
      const child = spawn("sh", args, { env, stdio: "ignore" });
      const code = await new Promise((resolve) => child.once("exit", resolve));
      server.close();
      return { code, calls: readFileSync(dir.in("calls"), "utf8").trim().replaceAll("petrel-gateway", "").split("\n") };
    }

    test.skipIf(!curl)("starts all new instances, waits for them, and stops the old ones", async () => {
      const replaced = (
        old: string,
        next: string,
      ) => [`enable -q @${next}`, `disable -q @${old}`, `stop --no-block @${old}`];
      const calls = ["start @b", "start @d", ...replaced("a", "b"), ...replaced("c", "d")];
      expect(await roll(200)).toEqual({ code: 0, calls });
    });

    test.skipIf(!curl)("stops the new instances when they are not ready, and lets the old ones alone", async () => {
      expect(await roll(503)).toEqual({ code: 1, calls: ["start @b", "start @d", "stop @b", "stop @d"] });
    });
  });
});
