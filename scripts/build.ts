/**
 * Builds the npm package into dist/: JavaScript file by file (what TypeScript adds is taken away; only the chat page's
 * program and the SDK for pages without a bundler are bundled), declarations for what the doors reach, package.json, and
 * every page that README.md leads to.
 * `--pack` makes petrel-<version>.tgz of it.
 */
import { spawnSync } from "node:child_process";
import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { bundle } from "#runtime";
import { readDoors } from "./check_doors.ts";
import {
  packageManifest,
  refusal,
  refusalPath,
  SDK_FILE,
  SERVER_DOORS,
  type SourceManifest,
} from "./package_manifest.ts";
import { relativeSpecifiers, toJsSpecifiers } from "./specifiers.ts";
import { tool } from "./tools.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const DIST = join(ROOT, "dist");
const USAGE = `Usage: build.ts [--pack] [--help]
Builds the npm package into dist/; --pack makes petrel-<version>.tgz of it.`;

/** Started by path, so that no module leads to them. */
const PROGRAMS = ["src/cli/launch.ts", "src/cli/main.ts", "src/message/sqlite/worker.ts"];
/** Types are the gate's business; here they are only taken away. */
const JAVASCRIPT = { noCheck: true, types: [], rewriteRelativeImportExtensions: true };
const DECLARATIONS = { declaration: true, emitDeclarationOnly: true };

/** Copied as they are: texts, the protocol's definition, and modules that are JavaScript already. */
const COPIED = /^(README\.md|LICENSE|proto\/.*|src\/.*\.(md|html|css|svg|png)|src\/(?!web\/).*\.(d\.ts|js))$/;

async function build(): Promise<void> {
  const manifest = await readManifest();
  await rm(DIST, { recursive: true, force: true });
  await rm(join(ROOT, `${manifest.name}-${manifest.version}.tgz`), { force: true }); // it would be another build's
  const doors = Object.values(manifest.exports);
  const others = Object.values(manifest.imports).flatMap((paths) => Object.values(paths));
  await compile([...doors, ...others, ...Object.values(manifest.browser), ...PROGRAMS], JAVASCRIPT);
  await compile(doors, DECLARATIONS);
  for (const path of ["README.md", "LICENSE", ...await filesIn("proto"), ...await filesIn("src")]) {
    if (COPIED.test(path)) await copy(path);
  }
  await write("package.json", JSON.stringify(packageManifest(manifest), null, 2) + "\n");
  const names = await readDoors(ROOT, []);
  for (const door of SERVER_DOORS) {
    const values = names[door]?.filter((name) => !name.startsWith("type ")) ?? [];
    await write(refusalPath(door), refusal(manifest.name, door, values));
  }
  await finishModules();
  await write("src/web/page.js", await bundle(join(ROOT, "src/web/main.ts")));
  await write(SDK_FILE, await bundle(join(ROOT, manifest.exports["."]!)));
}

/** These files, and all they import. */
async function compile(files: readonly string[], compilerOptions: Readonly<Record<string, unknown>>): Promise<void> {
  const config = {
    extends: "../tsconfig.json",
    compilerOptions: { rootDir: "..", outDir: ".", noEmit: false, ...compilerOptions },
    files: files.map((path) => join("..", path)),
    include: [],
  };
  await write("tsconfig.json", JSON.stringify(config));
  run(tool("typescript", "tsc", "-p", "dist"));
  await rm(join(DIST, "tsconfig.json"));
}

/** Renames what modules call each other; each must then be there. */
async function finishModules(): Promise<void> {
  const modules = (await filesIn("dist")).filter((path) => /\.(d\.ts|js)$/.test(path));
  const missing: string[] = [];
  for (const path of modules) {
    const text = toJsSpecifiers(await readFile(join(ROOT, path), "utf8"));
    await writeFile(join(ROOT, path), text);
    for (const to of relativeSpecifiers(text)) {
      const target = join(ROOT, dirname(path), path.endsWith(".d.ts") ? to.replace(/\.js$/, ".d.ts") : to);
      if (!await stat(target).catch(() => undefined)) missing.push(`${path}: there is no ${to}`);
    }
  }
  if (missing.length > 0) {
    throw new Error(`Cannot build: a program is named in PROGRAMS of scripts/build.ts\n${missing.join("\n")}`);
  }
}

async function readManifest(): Promise<SourceManifest> {
  return JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
}

/** Paths from the root, with `/`. */
async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(join(ROOT, folder), { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile())
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .sort();
}

async function copy(path: string): Promise<void> {
  const to = join(DIST, path);
  await mkdir(dirname(to), { recursive: true });
  await copyFile(join(ROOT, path), to);
}

async function write(path: string, text: string): Promise<void> {
  const to = join(DIST, path);
  await mkdir(dirname(to), { recursive: true });
  await writeFile(to, text);
}

function run([program, ...args]: readonly string[]): void {
  const { status, error } = spawnSync(program!, args, { cwd: ROOT, stdio: "inherit" });
  if (error) throw new Error(`Cannot start ${program}: ${error.message}`, { cause: error });
  if (status !== 0) throw new Error(`Cannot build: ${program} ${args.join(" ")} ended with ${status}`);
}

if (process.argv.includes("--help")) console.log(USAGE);
else {
  await build();
  if (process.argv.includes("--pack")) {
    run(["npm", "pack", "./dist", "--loglevel=error", "--pack-destination", "."]);
  }
}
