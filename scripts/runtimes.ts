import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";

/**
 * How to call a runtime: the one we run on, else the one on PATH, else through npx in the version that package.json
 * `engines` names.
 */
export function runtimeCommand(name: "bun" | "deno"): readonly string[] {
  const own = "Deno" in globalThis ? "deno" : "bun";
  if (name === own) return [process.execPath];
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  if (folders.some((folder) => existsSync(join(folder, name)))) return [name];
  const { engines } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return ["npx", "-y", `${name}@${engines[name]}`];
}
