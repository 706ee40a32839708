/**
 * Checks the import rule: which folder may import which (scripts/import_rules.ts), no cycles between files, third-party
 * packages and runtime globals only where the table allows them.
 */
import { readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { checkMain } from "./check_main.ts";
import { type Area, AREAS, POWER_WORDS, reach } from "./import_rules.ts";
import { type SourceFile, sourceFiles } from "./source_files.ts";
import { lineOf, readSource } from "./source_text.ts";

const USAGE = `Usage: check_imports.ts [--root <folder>] [--help]
Prints one line per broken rule, "file:line: may not ...: reason", and exits with 1 when there is one.`;

interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** Every broken rule under the root, as `file:line: may not …: reason`, in order of path. */
export async function checkImports(root: string): Promise<string[]> {
  const files = await sourceFiles(root);
  const known = new Set(files.map((file) => file.path));
  const aliases = await readManifest(root);
  const problems: string[] = [];
  const graph = new Map<string, string[]>();
  for (const file of files) {
    const area = areaOf(file.path);
    if (!area) {
      problems.push(`${file.path}:1: may not be here: no row of scripts/import_rules.ts has a place for it`);
      continue;
    }
    const { code } = readSource(file.text);
    const targets: string[] = [];
    for (const { specifier, line } of importsOf(file.text, code)) {
      const refused = (reason: string) => problems.push(`${file.path}:${line}: may not import ${specifier}: ${reason}`);
      const ours = aliases.resolve(file.path, specifier);
      if (ours === undefined) checkPackage(area, specifier, aliases.packages, refused);
      else {
        checkArea(area, file.path, ours, refused);
        if (known.has(ours)) targets.push(ours);
      }
    }
    checkPowers(area, file, code, problems);
    graph.set(file.path, targets);
  }
  for (const cycle of cyclesOf(graph)) {
    problems.push(`${cycle[0]}:1: may not import itself: ${[...cycle, cycle[0]].join(" → ")}`);
  }
  return problems;
}

function areaOf(path: string): Area | undefined {
  return AREAS.find((area) => area.files.test(path));
}

const IMPORT = /\b(?:from\s*|import\s*\(?\s*)(["'])([^"'\n]*)\1/g;

/** `import … from "x"`, `export … from "x"`, `import "x"` and `import("x")`. */
function importsOf(text: string, code: string): Import[] {
  const found: Import[] = [];
  for (const match of code.matchAll(IMPORT)) {
    const end = match.index + match[0].length - 1;
    found.push({ specifier: text.slice(end - match[2]!.length, end), line: lineOf(text, match.index) });
  }
  return found;
}

interface Manifest {
  readonly packages: ReadonlySet<string>;
  /** The path from the root that a specifier stands for; undefined: a package or a module of the runtime. */
  resolve(from: string, specifier: string): string | undefined;
}

async function readManifest(root: string): Promise<Manifest> {
  const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  return {
    packages: new Set(Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })),
    resolve(from, specifier) {
      if (specifier.startsWith("#")) return specifier.replace("#", "src/") + "/mod.ts";
      const door = manifest.exports?.["." + specifier.slice(manifest.name?.length)];
      if (door && specifier.startsWith(manifest.name)) return normalize(door);
      return specifier.startsWith(".") ? normalize(join(dirname(from), specifier)) : undefined;
    },
  };
}

function checkArea(area: Area, from: string, to: string, refused: (reason: string) => void): void {
  const other = areaOf(to);
  const allowed = reach(area);
  if (!other) refused("it lies outside src, tests and scripts");
  else if (!allowed.has(other.name)) {
    const others = [...allowed].filter((name) => name !== area.name);
    refused(`it is ${other.name}; ${area.name} may import ${others.join(", ") || "nothing"}`);
  } else if (area.separate && area === other && folderIn(from) !== folderIn(to) && folderIn(from) && folderIn(to)) {
    refused(`folders of ${area.name} do not import each other`);
  }
}

/** `gateway` for src/services/gateway/x.ts, nothing for src/services/x.ts. */
function folderIn(path: string): string | undefined {
  return path.split("/").slice(2, -1)[0];
}

function checkPackage(
  area: Area,
  specifier: string,
  installed: ReadonlySet<string>,
  refused: (reason: string) => void,
): void {
  if (specifier === "bun:test" || specifier === "expect") {
    if (area.name !== "tests") refused("it is for tests");
  } else if (/^(node|bun):/.test(specifier) || specifier === "bun") {
    if (!area.powers?.includes("runtime")) refused(`${area.name} has no runtime: let it be handed in`);
  } else {
    const name = specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
    if (!installed.has(name)) refused("it is not in package.json");
    else if (area.packages !== "*" && !area.packages?.includes(name)) {
      refused(`${area.name} may use ${area.packages?.join(", ") ?? "no packages"}`);
    }
  }
}

function checkPowers(area: Area, file: SourceFile, code: string, problems: string[]): void {
  for (const [power, words] of Object.entries(POWER_WORDS)) {
    if (area.powers?.some((one) => one === power)) continue;
    for (const match of code.matchAll(words)) {
      const line = lineOf(code, match.index);
      problems.push(`${file.path}:${line}: may not use ${match[1]}: ${area.name} gets ${power} handed in`);
    }
  }
}

/** Each cycle once, from its first path on. */
function cyclesOf(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string) => {
    const at = path.indexOf(file);
    if (at >= 0) cycles.push(path.slice(at));
    if (at >= 0 || done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return cycles;
}

if (import.meta.main) await checkMain(USAGE, async (root) => ({ problems: await checkImports(root) }));
