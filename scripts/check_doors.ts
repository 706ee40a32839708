/**
 * Checks the package's public doors: every module of package.json `exports` re-exports by name, and what it gives is
 * what tests/vectors/exports.json says. So a name never comes or goes unnoticed.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkMain } from "./check_main.ts";
import { readSource } from "./source_text.ts";

const USAGE = `Usage: check_doors.ts [--update] [--root <folder>] [--help]
Compares what the package exports with ${saved(".")}; --update writes that file anew.`;

/** Door (`.`, `./protocol`) to names, sorted; a type is `type Name`. */
export type Doors = Readonly<Record<string, readonly string[]>>;

export async function checkDoors(root: string): Promise<string[]> {
  const problems: string[] = [];
  const now = await readDoors(root, problems);
  const before: Doors = JSON.parse(await readFile(saved(root), "utf8").catch(() => "{}")); // none yet: all is new
  for (const door of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const differ = (sign: string, names: readonly string[], others: readonly string[]) => {
      for (const name of names) if (!others.includes(name)) problems.push(`exports ${door}: ${sign} ${name}`);
    };
    differ("no longer has", before[door] ?? [], now[door] ?? []);
    differ("also has", now[door] ?? [], before[door] ?? []);
  }
  if (problems.length > 0) problems.push("If that is meant: scripts/check_doors.ts --update");
  return problems;
}

/** Writes what the package exports now. */
export async function saveDoors(root: string): Promise<void> {
  await writeFile(saved(root), JSON.stringify(await readDoors(root, []), null, 2) + "\n");
}

/** What the doors of package.json give now; where one does not re-export by name, that is added to `problems`. */
export async function readDoors(root: string, problems: string[]): Promise<Doors> {
  const { exports } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const doors: Record<string, readonly string[]> = {};
  for (const [door, path] of Object.entries<string>(exports)) {
    const text = await readFile(join(root, path), "utf8").catch(() => undefined);
    if (text === undefined) problems.push(`package.json exports ${door}: there is no ${path}`);
    else doors[door] = namesOf(text, path.replace("./", ""), problems);
  }
  return doors;
}

function namesOf(text: string, path: string, problems: string[]): string[] {
  const { code } = readSource(text);
  const names: string[] = [];
  for (const [whole, type, list] of code.matchAll(/\bexport\s+(type\s+)?\{([^}]*)\}|\bexport\b[^;]*/g)) {
    if (list === undefined) problems.push(`${path}: only re-exports by name, not "${whole.split(/\s*["\n]/)[0]}"`);
    for (const item of list?.split(",") ?? []) {
      const name = item.trim().replace(/^(type\s+)?.*\sas\s+/, "$1");
      if (name) names.push(type && !name.startsWith("type ") ? `type ${name}` : name);
    }
  }
  return names.sort();
}

function saved(root: string): string {
  return join(root, "tests/vectors/exports.json");
}

if (import.meta.main) {
  await checkMain(USAGE, async (root) => ({ problems: await checkDoors(root) }), saveDoors);
}
