/**
 * Installs the packed package in an empty folder, as its users do, and checks what they would see: the server starts
 * from it on Bun and on Deno, the SDK chats from Bun, Deno, Node 22 and bundles for browsers, types fit strict programs.
 */
import { spawn } from "node:child_process";
import { copyFile, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { type Child, ROOT, start } from "../tests/support/processes.ts";
import { tempDir } from "../tests/support/temp.ts";
import { checkMain } from "./check_main.ts";
import { runtimeCommand } from "./runtimes.ts";
import { tool } from "./tools.ts";

const USAGE = `Usage: check_package.ts [--root <folder>] [--help]
Installs petrel-<version>.tgz of that folder (bun run pack makes it) in an empty folder and uses it there.`;

const PROGRAMS = ["consumer.ts", "server.ts", "run_client.mjs", "run_server.mjs"];
const STRICT = {
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  noEmit: true,
  types: [],
};
/** Who may compile against the package. `petrel/server` needs the types of disposal too. */
const COMPILERS = {
  "tsconfig.node.json": {
    compilerOptions: { ...STRICT, module: "nodenext", target: "es2022", lib: ["es2022", "dom"] },
    files: ["consumer.ts"],
  },
  "tsconfig.bundler.json": {
    compilerOptions: { ...STRICT, module: "preserve", moduleResolution: "bundler", lib: ["esnext", "dom"] },
    files: ["consumer.ts", "server.ts"],
  },
};

const BUN = runtimeCommand("bun");
const DENO = [...runtimeCommand("deno"), "run", "-A"];
const NODE = tool("node", "node");
const REFUSED = "Error: Cannot load petrel/server: it runs on Bun and on Deno only";

async function checkPackage(root: string): Promise<string[]> {
  const problems: string[] = [];
  await using dir = await tempDir();
  const project = dir.in("project");
  await mkdir(project);
  const { version, exports } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  await copyFile(join(root, `petrel-${version}.tgz`), dir.in("petrel.tgz"));
  let programs = "";
  for (const name of PROGRAMS) {
    const text = await readFile(join(ROOT, "tests/package", name), "utf8");
    await writeFile(join(project, name), text);
    programs += text;
  }
  for (const door of Object.keys(exports ?? {}).map((path) => `"petrel${path.slice(1)}"`)) {
    if (!programs.includes(`from ${door};`)) problems.push(`no program in tests/package imports ${door}`);
  }
  for (const [name, text] of Object.entries(COMPILERS)) await writeFile(join(project, name), JSON.stringify(text));

  const run = async (what: string, command: readonly string[], expected = "", code = 0): Promise<void> => {
    const outcome = await output(command, project);
    if (outcome.code === code && outcome.text.includes(expected)) return;
    const wanted = `exit code ${code}${expected && ` and ${expected}`}`;
    problems.push(`${what}: exit code ${outcome.code} in place of ${wanted}\n${outcome.text.trimEnd()}`);
  };

  await run("npm install", ["npm", "install", "--prefer-offline", "--loglevel=error", dir.in("petrel.tgz")]);
  if (problems.length > 0) return problems;
  await Promise.all([
    run("types with nodenext", tool("typescript", "tsc", "-p", "tsconfig.node.json")),
    run("types with bundler", tool("typescript", "tsc", "-p", "tsconfig.bundler.json")),
  ]);
  await run("npx petrel", ["npx", "--no-install", "--loglevel=error", "petrel", "--version"], "petrel ");
  const bare = `exec env PATH=/nowhere "$(command -v node)" node_modules/petrel/src/cli/launch.js dev`;
  await run("petrel where there is neither Bun nor Deno", ["sh", "-c", bare], "npm install bun", 1);
  await run("petrel/server on Bun", [...BUN, "run_server.mjs"], "Gateway LogicServer");
  await run("petrel/server on Deno", [...DENO, "run_server.mjs"], "Gateway LogicServer");
  await run("petrel/server on Node", [...NODE, "run_server.mjs"], REFUSED, 1);
  const bundle = [...BUN, "build", "consumer.ts", "--target=browser", "--outfile=bundle.js"];
  await run("SDK bundled for browsers", bundle, "bundle.js");
  const left = (await readFile(join(project, "bundle.js"), "utf8")).match(
    /(?<!["'])\b(?:from|require\()\s*["'][^"']+["']/g,
  );
  if (left) problems.push(`SDK bundled for browsers: still wants ${left.join(", ")}`);
  await writeFile(join(project, "one.ts"), `export { crc32 } from "petrel/protocol";`);
  await run("one function bundled", [...BUN, "build", "one.ts", "--minify", "--outfile=one.js"], "one.js");
  const { size } = await stat(join(project, "one.js"));
  if (size > 1_000) problems.push(`one function bundled: ${size} bytes, so package.json sideEffects lacks something`);

  await withServer("bunx petrel dev", [...BUN, "x", "petrel", "dev"], project, problems, async (client) => {
    await run("SDK on Bun", [...BUN, ...client("from Bun")], chatted("from Bun"));
    await run("SDK on Deno", [...DENO, ...client("from Deno")], chatted("from Deno"));
    await run("SDK on Node 22", [...NODE, ...client("from Node")], chatted("from Node"));
  });
  await withServer("npm:petrel on Deno", [...DENO, "npm:petrel", "dev"], project, problems, async (client) => {
    await run("SDK on Node 22, server on Deno", [...NODE, ...client("to Deno")], chatted("to Deno"));
  });
  return problems;
}

/** What run_client.mjs prints for a message that it sent and was handed. */
function chatted(body: string): string {
  return JSON.stringify({ sender: "ann", body, refusal: "CONFIG", ping: 1, talk: "chat.user.talk" });
}

/** The arguments that make a runtime chat through the server. */
type Client = (text: string) => readonly string[];

/** Starts the server as its banner tells, uses it, asks it to stop. */
async function withServer(
  what: string,
  command: readonly string[],
  project: string,
  problems: string[],
  use: (client: Client) => Promise<void>,
): Promise<void> {
  const flags = ["--http", "localhost:0", "--tcp", "localhost:0", "--data", join(project, what.replaceAll(/\W/g, "_"))];
  await using server: Child = await start(command[0]!, [...command.slice(1), ...flags], { cwd: project });
  try {
    const [, url] = await server.find(/WebSocket +(\S+)/, 30_000);
    const [, ann] = await server.find(/^ *ann +(\w+\.\S+\.\S+)$/m);
    const [, bob] = await server.find(/^ *bob +(\w+\.\S+\.\S+)$/m);
    await use((text) => ["run_client.mjs", url!, ann!, bob!, text]);
    for (const path of ["/", "/page.js"]) {
      const page = await fetch(url!.replace(/^ws/, "http") + path);
      if (page.status !== 200) problems.push(`${what}: ${path} is answered ${page.status} ${await page.text()}`);
      else await page.body?.cancel();
    }
    const { code, signal } = await server.stop();
    if (code !== 0) problems.push(`${what}: asked to stop it ended with ${code ?? signal}\n${server.stderr}`);
  } catch (error) {
    problems.push(`${what}: ${error instanceof Error ? error.message : error}`);
  }
}

interface Output {
  readonly code: number | null;
  /** Of both streams. */
  readonly text: string;
}

function output([program, ...args]: readonly string[], cwd: string): Promise<Output> {
  return new Promise((resolve) => {
    const child = spawn(program!, args, { cwd, env: { ...process.env, NO_COLOR: "1" }, timeout: 120_000 });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (more: string) => void (text += more));
    }
    child.on("error", (error) => resolve({ code: null, text: error.message }));
    child.on("close", (code) => resolve({ code, text }));
  });
}

await checkMain(USAGE, async (root) => ({ problems: await checkPackage(root) }));
