import { ImError, reasonOf } from "./errors.ts";

const MOST_PROBLEMS = 10;

/** The JSON in a settings file's text. @throws {ImError} CONFIG: it is none. */
export function parseConfig(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = reasonOf(cause);
    throw new ImError("CONFIG", `Cannot read ${name}: it is not JSON: ${why}`, { cause });
  }
}

/** Goes on when there are no problems. @throws {ImError} CONFIG with the first ten, a line each. */
export function refuseProblems(name: string, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const shown = problems.slice(0, MOST_PROBLEMS);
  if (problems.length > shown.length) shown.push(`and ${problems.length - shown.length} more`);
  throw new ImError("CONFIG", `Cannot read ${name}:\n${shown.map((line) => `  ${line}`).join("\n")}`);
}
