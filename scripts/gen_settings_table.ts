/** Writes the table of settings in README.md, between its two marks, from the schemas that read them. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ROLE_SETTINGS } from "../src/cli/role_settings.ts";
import { settingsTable } from "../src/cli/settings_help.ts";
import { checkMain } from "./check_main.ts";

const START = "<!-- settings: written by scripts/gen_settings_table.ts -->";
const END = "<!-- end of settings -->";

const USAGE = `Usage: gen_settings_table.ts [--update] [--root <folder>] [--help]
Checks that the table of settings in README.md is what the schema says; --update writes it. The table stands between
  ${START}
  ${END}`;

/** README.md with a fresh table; undefined when it has no place for one. */
export function withTable(readme: string, table: string): string | undefined {
  const start = readme.indexOf(START);
  const end = readme.indexOf(END, start);
  if (start < 0 || end < 0) return undefined;
  return `${readme.slice(0, start)}${START}\n\n${table}\n\n${readme.slice(end)}`;
}

async function fresh(root: string): Promise<{ before: string; after: string | undefined }> {
  const before = await readFile(join(root, "README.md"), "utf8").catch(() => ""); // then it has no place for the table
  return { before, after: withTable(before, settingsTable(ROLE_SETTINGS)) };
}

async function check(root: string): Promise<{ problems: string[] }> {
  const { before, after } = await fresh(root);
  if (after === undefined) {
    return { problems: [`README.md: has no place for the settings; put there\n${START}\n${END}`] };
  }
  return { problems: before === after ? [] : ["README.md: settings are out of date; gen_settings_table.ts --update"] };
}

async function update(root: string): Promise<void> {
  const { after } = await fresh(root);
  if (after !== undefined) await writeFile(join(root, "README.md"), after);
}

if (import.meta.main) await checkMain(USAGE, check, update);
