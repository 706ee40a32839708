/** The whole gate in one command: `bun run ok` or `deno task ok`. The table below is the list of its steps. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findChromium, NO_CHROMIUM } from "./chromium.ts";
import { runtimeCommand } from "./runtimes.ts";
import { runAgain, type Runner } from "./second_run.ts";
import { tool } from "./tools.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const STEP_LIMIT_MS = 600_000;

type Command = readonly string[];
interface Step {
  readonly name: string;
  readonly what: string;
  /** Run one after the other; none means there is nothing to check yet. */
  readonly commands: () => readonly Command[];
  /** How many tests passed and failed, read from the output; without it the step itself counts as one. */
  readonly count?: (output: string) => Counts;
  /** Files that fail on this runtime are run again, alone. */
  readonly again?: Runner;
  /** Why it cannot run here, and what to do about it; undefined: it can. */
  readonly skip?: () => string | undefined;
  /** Also prints what the step found when all is right. */
  readonly tell?: true;
}
interface Counts {
  readonly passed: number;
  readonly failed: number;
}

const bun = (...args: string[]): Command => [...runtimeCommand("bun"), ...args];
const deno = (...args: string[]): Command => [...runtimeCommand("deno"), ...args];
/** A script of ours, on the runtime that runs the gate. */
const script = (path: string, ...args: string[]): Command =>
  "Deno" in globalThis ? deno("run", "-A", path, ...args) : bun(path, ...args);

const PACK = script("scripts/build.ts", "--pack");

const STEPS: readonly Step[] = [
  {
    name: "install",
    what: "dependencies as locked",
    commands: () => [bun("install", "--frozen-lockfile", "--silent")],
  },
  { name: "format", what: "deno fmt", commands: () => [deno("fmt", "--check")] },
  { name: "lint", what: "deno lint", commands: () => [deno("lint")] },
  { name: "imports", what: "who imports whom", commands: () => [script("scripts/check_imports.ts")] },
  { name: "files", what: "lengths and leftovers", commands: () => [script("scripts/check_files.ts")] },
  { name: "doors", what: "public exports", commands: () => [script("scripts/check_doors.ts")] },
  { name: "generated", what: "src/protocol/gen", commands: () => [script("scripts/check_gen.ts")] },
  {
    name: "settings",
    what: "table in README.md",
    commands: () => [script("scripts/gen_settings_table.ts")],
  },
  { name: "reference", what: "src/docs/reference*.md", commands: () => [script("scripts/gen_reference.ts")] },
  { name: "types-bun", what: "types with Bun's globals", commands: () => [bun("check"), ...webCheck()] },
  { name: "types-deno", what: "types with Deno's globals", commands: () => [deno("task", "check")] },
  {
    name: "test-bun",
    what: "tests on Bun",
    commands: () => [bun("test", "--parallel=3")],
    count: countBun,
    again: "bun",
  },
  {
    name: "test-deno",
    what: "tests on Deno",
    commands: () => [deno("task", "test")],
    count: countDeno,
    again: "deno",
  },
  {
    name: "test-browser",
    what: "tests in Chromium, servers on both runtimes",
    commands: () => [bun("test", "--parallel=3", ...browserTests()), deno("task", "test-browser")],
    count: (output) => add(countBun(output), countDeno(output)),
    again: "bun",
    skip: () => findChromium() === undefined ? NO_CHROMIUM : undefined,
  },
  { name: "fuzz", what: "decoders, 5 s each", commands: fuzzers },
  { name: "size", what: "SDK in a web page", commands: () => [script("scripts/check_size.ts")], tell: true },
  { name: "build", what: "npm package, packed", commands: () => [PACK] },
  {
    name: "publint",
    what: "package.json of the package",
    commands: () => [...packed(), tool("publint", "publint", "run", "dist", "--strict")],
  },
  {
    name: "attw",
    what: "types of the package, resolved in every way",
    commands: () => [...packed(), tool("@arethetypeswrong/cli", "attw", tarball(), "--profile", "esm-only")],
  },
  {
    name: "package",
    what: "package installed and used: Bun, Deno, Node 22",
    commands: () => [...packed(), script("scripts/check_package.ts")],
  },
  {
    name: "examples",
    what: "what README.md and src/docs tell to do, done",
    commands: () => [...packed(), script("scripts/doc_examples.ts")],
    tell: true,
  },
  { name: "jsr", what: "deno publish --dry-run", commands: () => [deno("publish", "--dry-run", "--allow-dirty")] },
];

const USAGE = `Usage: ok.ts [--only <step>]... [--skip <step>]... [--help]
Runs every step, then tells which failed; exit code 1 when one did. Steps:
${STEPS.map((step) => `  ${step.name.padEnd(12)}${step.what}`).join("\n")}`;

/** What steps on the package need when they run alone; in the whole gate "build" has just made it. */
function packed(): Command[] {
  return existsSync(`${ROOT}${tarball()}`) ? [] : [PACK];
}

function tarball(): string {
  const { name, version } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
  return `${name}-${version}.tgz`;
}

function webCheck(): Command[] {
  return existsSync(`${ROOT}src/web/tsconfig.json`) ? [bun("check", "-p", "src/web")] : [];
}

function fuzzers(): Command[] {
  const folder = `${ROOT}tests/fuzz`;
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"));
  return files.sort().map((name) => script(`tests/fuzz/${name}`, "--seconds", "5"));
}

/** Most of their time they wait, hence more at once than cores. What no server matters to (`.once.`) Deno leaves out. */
function browserTests(): string[] {
  const names = readdirSync(`${ROOT}tests/browser`).filter((name) => name.endsWith(".browser.ts"));
  return names.sort().map((name) => `./tests/browser/${name}`);
}

function countBun(output: string): Counts {
  return { passed: last(output, /^ *(\d+) pass$/gm), failed: last(output, /^ *(\d+) fail$/gm) };
}

/** Deno counts a `describe` as one test and what is inside as steps. */
function countDeno(output: string): Counts {
  const sum = (word: string) =>
    last(output, new RegExp(`(\\d+) ${word}`, "g")) + last(output, new RegExp(`${word} \\((\\d+) steps?\\)`, "g"));
  return { passed: sum("passed"), failed: sum("failed") };
}

function add(one: Counts, two: Counts): Counts {
  return { passed: one.passed + two.passed, failed: one.failed + two.failed };
}

function last(output: string, pattern: RegExp): number {
  return Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0);
}

interface Outcome {
  readonly ok: boolean;
  readonly output: string;
}

function run(command: Command): Promise<Outcome> {
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: "1" };
    const child = spawn(command[0]!, command.slice(1), { cwd: ROOT, env, detached: true });
    let output = "";
    const add = (text: string) => void (output += text);
    child.stdout.setEncoding("utf8").on("data", add);
    child.stderr.setEncoding("utf8").on("data", add);
    const stop = () => {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL"); // with all it started
    };
    const timer = setTimeout(() => {
      add(`\n${command.join(" ")}: stopped after ${STEP_LIMIT_MS / 1000} s\n`);
      stop();
    }, STEP_LIMIT_MS);
    const leave = () => {
      stop();
      process.exit(130);
    };
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, leave);
    const done = (ok: boolean) => {
      clearTimeout(timer);
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, leave);
      resolve({ ok, output });
    };
    child.on("error", (error) => {
      add(`Cannot start ${command.join(" ")}: ${error.message}\n`);
      done(false);
    });
    child.on("close", (code) => done(code === 0));
  });
}

async function runStep(step: Step): Promise<Counts> {
  const reason = step.skip?.();
  if (reason !== undefined) {
    console.log(`skipped ${step.name.padEnd(12)}          ${step.what}: ${reason}`);
    return { passed: 0, failed: 0 };
  }
  const startMs = performance.now();
  let ok = true;
  let output = "";
  for (const command of step.commands()) {
    const outcome = await run(command);
    ok &&= outcome.ok;
    output += outcome.output;
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const counted = step.count?.(output);
  if (counted && counted.passed + counted.failed === 0) ok = false; // no tests ran
  const tests = counted ? `  ${counted.passed} passed, ${counted.failed} failed` : "";
  console.log(`${ok ? "ok     " : "FAILED "} ${step.name.padEnd(12)}  ${seconds.padStart(6)} s  ${step.what}${tests}`);
  if (!ok || step.tell) console.log(withoutPassed(output).trimEnd().replace(/^/gm, "        "));
  if (!counted) return { passed: ok ? 1 : 0, failed: ok ? 0 : 1 };
  if (!ok && step.again && runAgain(step.again, output, (line) => console.log(line))) return { ...counted, failed: 0 };
  return { passed: counted.passed, failed: ok ? 0 : Math.max(1, counted.failed) };
}

/** A failed run's output, less downloads and tests that passed. */
function withoutPassed(output: string): string {
  return output.split("\n").filter((line) => !/^\(pass\) |^Download |\.\.\. ok \([\d.]+/.test(line)).join("\n");
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true, default: [] },
      skip: { type: "string", multiple: true, default: [] },
      help: { type: "boolean" },
    },
  });
  if (values.help) return console.log(USAGE);
  const unknown = [...values.only, ...values.skip].filter((name) => !STEPS.some((step) => step.name === name));
  if (unknown.length > 0) throw new Error(`no such step: ${unknown.join(", ")}`);

  const chosen = STEPS.filter(({ name }) =>
    (values.only.length === 0 || values.only.includes(name)) && !values.skip.includes(name)
  );
  const failures: string[] = [];
  let passed = 0;
  let failed = 0;
  for (const step of chosen) {
    const counts = await runStep(step);
    passed += counts.passed;
    failed += counts.failed;
    if (counts.failed > 0) failures.push(step.name);
  }
  if (failures.length > 0) console.log(`Failed: ${failures.join(", ")}. One alone: --only ${failures[0]}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main().catch((error: unknown) => {
  console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  process.exitCode = 2;
});
