/**
 * Runs test files that failed in a whole run once more, each alone and twice: what passes then failed because of what ran
 * beside it. It is named all the same, so that it can be mended. `bun scripts/second_run.ts bun|deno LOG` reads the output
 * of such a run; exit code 0: all passed now.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtimeCommand } from "./runtimes.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** With more, it is not the machine. */
const MOST_FILES = 4;
const TIMES = 2;
const LIMIT_MS = 180_000;

export type Runner = "bun" | "deno";

interface Failures {
  /** By file, the names of its tests that failed; none when it broke off between tests. */
  readonly files: ReadonlyMap<string, readonly string[]>;
  /** The whole run came to its end, so that these are all. */
  readonly whole: boolean;
}

/** What failed in the output of a whole run. */
export function findFailures(runner: Runner, output: string): Failures {
  const files = new Map<string, string[]>();
  const add = (file: string, name?: string) => {
    const names = files.get(file) ?? [];
    if (name !== undefined) names.push(name);
    files.set(file, names);
  };
  let file = "";
  for (const line of output.split("\n")) {
    if (runner === "deno") {
      const [, path, name] = /^\.\/(\S+\.ts) => (.*) \.\.\. FAILED(?! \(due to)/.exec(line) ?? [];
      const [, broken] = /^\.\/(\S+\.ts) \(uncaught error\)/.exec(line) ?? [];
      if (path !== undefined) add(path, name!);
      if (broken !== undefined) add(broken);
    } else {
      file = /^(\S+\.ts):$/.exec(line)?.[1] ?? file;
      const name = /^\(fail\) (.*?)(?: \[[\d.]+ms\])?$/.exec(line)?.[1];
      if (name !== undefined) add(file, name);
      if (line.startsWith("# Unhandled error") || /\(worker crashed/.test(line)) add(file);
    }
  }
  const end = runner === "bun" ? /^Ran \d+ tests across/m : /^(ok|FAILED) \| \d+ passed/m;
  return { files, whole: end.test(output) };
}

/** Says which tests failed and whether they pass alone. */
export function runAgain(runner: Runner, output: string, say: (line: string) => void): boolean {
  const { files, whole } = findFailures(runner, output);
  for (const [file, names] of files) {
    for (const name of names.length > 0 ? names : ["broke off"]) say(`FAILED on ${runner}: ${file}: ${name}`);
  }
  if (files.size === 0 || !whole || files.size > MOST_FILES) {
    say(`Not run again: ${whole ? `${files.size} files failed` : "the run did not come to its end"}`);
    return false;
  }
  return [...files.keys()].map((file) => passesAlone(runner, file, say)).every((passed) => passed);
}

function passesAlone(runner: Runner, file: string, say: (line: string) => void): boolean {
  const args = runner === "bun" ? ["test", `./${file}`] : ["test", "-A", "--no-check", file];
  const [program, ...before] = runtimeCommand(runner);
  for (let time = 1; time <= TIMES; time++) {
    const { status, stdout, stderr } = spawnSync(program!, [...before, ...args], {
      cwd: ROOT,
      encoding: "utf8",
      env: { ...process.env, NO_COLOR: "1" },
      timeout: LIMIT_MS,
      killSignal: "SIGKILL",
      maxBuffer: 2 ** 28,
    });
    if (status === 0) continue;
    say(`FAILED again, alone: ${file}\n${stdout}${stderr}`);
    return false;
  }
  say(`Passed alone, ${TIMES} times: ${file}. It depends on what runs beside it: please mend it`);
  return true;
}

if (import.meta.main) {
  const [runner, log] = process.argv.slice(2);
  if ((runner !== "bun" && runner !== "deno") || log === undefined) {
    console.error("Usage: second_run.ts bun|deno LOG");
    process.exit(2);
  }
  process.exitCode = runAgain(runner, readFileSync(log, "utf8"), (line) => console.log(line)) ? 0 : 1;
}
