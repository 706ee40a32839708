/**
 * Preload of `bun test` (bunfig.toml): gives every test the time it has on Deno, and when a dependency is missing or of another version than package.json says,
 * installs from the lock and runs the same command again, because this process has already looked for the packages.
 */
import { setDefaultTimeout } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DEFAULT_TIMEOUT_MS } from "./default_timeout.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const AGAIN = "BUN_TEST_INSTALLED";

setDefaultTimeout(DEFAULT_TIMEOUT_MS);
if (!process.env[AGAIN] && !isInstalled()) {
  if (ownArguments().includes("--test-worker")) {
    console.error("Dependencies are missing: bun install"); // a worker of --parallel cannot be run again
    process.exit(1);
  }
  run(["install", "--frozen-lockfile", "--silent"]);
  run(ownArguments());
  process.exit(0);
}

function isInstalled(): boolean {
  const { dependencies, devDependencies } = readJson(`${ROOT}package.json`);
  return Object.entries({ ...dependencies, ...devDependencies }).every(([name, version]) => {
    const path = `${ROOT}node_modules/${name}/package.json`;
    return existsSync(path) && readJson(path).version === version;
  });
}

interface PackageJson {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

function readJson(path: string): PackageJson {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** Flags reach a preload only through /proc; without it, all tests run. */
function ownArguments(): string[] {
  if (!existsSync("/proc/self/cmdline")) return ["test"];
  return readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(1, -1);
}

function run(args: readonly string[]): void {
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit", env: { ...process.env, [AGAIN]: "1" } });
  if (status !== 0) process.exit(status ?? 1);
}
