/**
 * Checks files one by one: none over 300 lines without a reason in its first comment, nothing left over from writing
 * (marks for later, `as any`, switched-off checks, tests that shut out the others), lock files that name no host.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkMain } from "./check_main.ts";
import { type SourceFile, sourceFiles } from "./source_files.ts";
import { lineOf, readSource } from "./source_text.ts";

const USAGE = `Usage: check_files.ts [--root <folder>] [--help]
Prints the ten longest files, then one line per problem, "file:line: ...", and exits with 1 when there is one.`;

const MAX_LINES = 300;
/** What a first comment says when it explains its file's length. */
const REASON = /\b(long|lines|one file)\b/i;

const IN_COMMENTS: readonly (readonly [RegExp, string])[] = [
  [/\b(TODO|FIXME|XXX|HACK)\b/g, "do it, or open an issue"],
  [/@ts-(ignore|expect-error|nocheck)/g, "make the types right"],
];
const IN_CODE: readonly (readonly [RegExp, string])[] = [
  [/\bas any\b/g, "make the types right"],
  [/\b(test|it|describe)\s*\.\s*only\b/g, "it shuts out all other tests"],
  [/\bdescribe\s*\.\s*(skip|skipIf|if|todo)\b/g, "skip the tests: Bun prints nothing for a skipped describe"],
  [/\bdebugger\b/g, "take it out"],
];

export interface FileReport {
  /** The ten longest files we write by hand, longest first. */
  readonly longest: readonly { readonly path: string; readonly lines: number }[];
  /** `file:line: …` */
  readonly problems: readonly string[];
}

export async function checkFiles(root: string): Promise<FileReport> {
  const files = (await sourceFiles(root)).filter((file) => !file.path.includes("/gen/"));
  const problems = files.flatMap(problemsIn);
  for (const lock of ["bun.lock", "deno.lock"]) problems.push(...await hostsIn(root, lock));
  const longest = files.map((file) => ({ path: file.path, lines: linesOf(file.text) }))
    .sort((a, b) => b.lines - a.lines)
    .slice(0, 10);
  return { longest, problems };
}

function problemsIn({ path, text }: SourceFile): string[] {
  const { code, comments } = readSource(text);
  const problems: string[] = [];
  const lines = linesOf(text);
  if (lines > MAX_LINES && !REASON.test(firstComment(comments))) {
    problems.push(
      `${path}:1: ${lines} lines, limit is ${MAX_LINES}: split it, or say in its first comment why it is long`,
    );
  }
  const look = (where: string, rows: typeof IN_CODE) => {
    for (const [pattern, advice] of rows) {
      for (const match of where.matchAll(pattern)) {
        problems.push(`${path}:${lineOf(text, match.index)}: ${match[0]}: ${advice}`);
      }
    }
  };
  look(comments, IN_COMMENTS);
  look(code, IN_CODE);
  return problems;
}

/** The first run of comment lines, wherever it stands. */
function firstComment(comments: string): string {
  return comments.trimStart().split(/\n\s*\n/)[0]!;
}

function linesOf(text: string): number {
  return text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
}

async function hostsIn(root: string, lock: string): Promise<string[]> {
  const text = await readFile(join(root, lock), "utf8").catch(() => ""); // a planted tree has no lock
  return [...text.matchAll(/https?:\/\/[^\s"'/]+/g)].map((match) =>
    `${lock}:${lineOf(text, match.index)}: ${match[0]}: made against another registry than the default one`
  );
}

if (import.meta.main) {
  await checkMain(USAGE, async (root) => {
    const { longest, problems } = await checkFiles(root);
    return { notes: longest.map(({ path, lines }) => `${String(lines).padStart(5)}  ${path}`), problems };
  });
}
