/**
 * The examples of README.md and src/docs do what the pages say: every program in them compiles against the packed
 * package, and the pages that can be followed are followed word for word, by a reader who has Bun and by one who has
 * Node 22. A block that nobody tries must say why (scripts/doc_blocks.ts has the marks).
 */
import { execFile, execFileSync } from "node:child_process";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { tempDir } from "../tests/support/temp.ts";
import { ROOT } from "../tests/support/processes.ts";
import { checkMain, type Findings } from "./check_main.ts";
import { type Form, type Page, readPages } from "./doc_blocks.ts";
import { walk } from "./doc_walk.ts";
import { runtimeCommand } from "./runtimes.ts";
import { tool } from "./tools.ts";

const USAGE = `Usage: doc_examples.ts [--root <folder>] [--help]
Compiles the examples of the documentation against petrel-<version>.tgz of that folder (bun run pack makes it), and
follows the pages that can be followed.`;

const execute = promisify(execFile);
const FORMS: readonly Form[] = ["bun", "node"];

async function checkExamples(root: string): Promise<Findings> {
  const pages = readPages(root);
  const problems = pages.flatMap((page) => page.problems);
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const tarball = resolve(root, `petrel-${version}.tgz`);
  const compiled = compile(pages, tarball);
  const walks = pages.filter((page) => page.steps.length > 0).flatMap((page) => FORMS.map((form) => ({ page, form })));
  const left = await Promise.all(walks.map(async ({ page, form }) => {
    try {
      const missed = await walk(page, { form, program: programOf(form), tarball });
      return missed.map((what) => `${page.path} (${form}): without ${what}`);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
      return [];
    }
  }));
  problems.push(...await compiled);
  const programs = pages.reduce((sum, page) => sum + page.programs.length, 0);
  const steps = walks.reduce((sum, { page, form }) => sum + stepsFor(page, form), 0);
  const notes = [
    `${programs} programs compiled, ${steps} steps followed on ${walks.length} walks`,
    ...left.flat(),
    ...pages.flatMap((page) => page.unread).map((one) => `not run: ${one}`),
  ];
  return { notes, problems };
}

function stepsFor({ steps }: Page, form: Form): number {
  return steps.filter((step) => step.do !== "run" || (step.form ?? form) === form).length;
}

/** Every program, as TypeScript, against the package as it would be installed. */
async function compile(pages: readonly Page[], tarball: string): Promise<string[]> {
  await using dir = await tempDir();
  await copyFile(tarball, dir.in("petrel.tgz"));
  await mkdir(dir.in("examples"));
  const names = new Map<string, string>();
  for (const { where, text } of pages.flatMap((page) => page.programs)) {
    const name = `examples/${where.replaceAll(/\W+/g, "_")}.ts`;
    names.set(name, where);
    await writeFile(dir.in(name), `${text}\nexport {};\n`);
  }
  const types = join(ROOT, "node_modules/@types/node");
  const options = { cwd: dir.path, env: { ...process.env, NO_COLOR: "1" } };
  const [deno = "deno", ...args] = runtimeCommand("deno");
  try {
    await execute("npm", ["install", "--prefer-offline", "--loglevel=error", "./petrel.tgz", types], options);
    await execute(deno, [...args, "check", "--quiet", "--node-modules-dir=manual", ...names.keys()], options);
    return [];
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return [`Examples do not compile: ${[...names.values()].join(", ")}\n${text}`];
  }
}

/** The program itself, whatever started it. */
function programOf(form: Form): string {
  const [program = form, ...args] = form === "bun" ? runtimeCommand("bun") : tool("node", "node");
  const print = ["-e", "console.log(process.execPath)"];
  return execFileSync(program, [...args, ...print], { encoding: "utf8" }).trim();
}

await checkMain(USAGE, checkExamples);
