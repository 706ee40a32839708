import process from "node:process";
import { parseArgs } from "node:util";

export interface Findings {
  /** Printed whatever was found. */
  readonly notes?: readonly string[];
  /** One line each; one is enough for exit code 1. */
  readonly problems: readonly string[];
}

/**
 * The command line of a check: `--help`, `--root <folder>` (the present one when not given) and, when the check can
 * mend what it finds, `--update`. Exit code 1: problems, 2: a wrong option.
 */
export async function checkMain(
  usage: string,
  check: (root: string) => Promise<Findings>,
  update?: (root: string) => Promise<void>,
): Promise<void> {
  const options = readOptions(usage, update !== undefined);
  if (!options) return;
  if (options.update) await update?.(options.root);
  const { notes = [], problems } = await check(options.root);
  for (const note of notes) console.log(note);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}

function readOptions(usage: string, mends: boolean): { root: string; update: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: {
        root: { type: "string", default: "." },
        help: { type: "boolean", default: false },
        ...(mends ? { update: { type: "boolean", default: false } } : {}),
      },
    });
    if (!values.help) return { root: String(values.root), update: values.update === true };
    console.log(usage);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${usage}`);
    process.exitCode = 2;
  }
  return undefined;
}
