import { parseArgs } from "node:util";
import type { z } from "zod";
import { reasonOf } from "../base/errors.ts";
import { didYouMean } from "./did_you_mean.ts";
import { everySetting } from "./role_settings.ts";
import { type NamedSetting, namedSettings, type SettingsSchema } from "./setting.ts";

/** Settings that can be used, or every problem there is, each a line for a person. */
export type SettingsResult<T> = { readonly settings: T } | { readonly problems: readonly string[] };

/** One value that was given, and where. */
interface Given {
  readonly value: unknown;
  /** `--http`, `PETREL_HTTP`, `http in petrel.json`. */
  readonly source: string;
}

/**
 * The settings of a role: flags win over environment variables over the JSON file named by `--config` over
 * defaults. Unknown flags, variables and keys are problems, but not those of another role. An empty variable counts as none. `readFile` gives a
 * file's text or throws.
 */
export function readSettings<S extends SettingsSchema>(
  schema: S,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string,
): SettingsResult<z.infer<S>> {
  const known = namedSettings(schema);
  const problems: string[] = [];
  const flags = readFlags(argv, known, problems);
  const file = flags.config === undefined
    ? new Map<string, Given>()
    : readConfig(flags.config, known, readFile, problems);
  const given = new Map([...file, ...readVariables(env, known, problems), ...flags.given]);

  const input = Object.fromEntries([...given].map(([key, { value }]) => [key, value]));
  const result = schema.safeParse(input);
  for (const { path, message } of result.error?.issues ?? []) {
    const setting = known.find(({ key }) => key === path[0]);
    const at = setting && given.get(setting.key);
    const shown = at && !setting.text.secret ? ` is ${JSON.stringify(at.value)}` : "";
    problems.push(`${at?.source ?? setting?.variable}${shown}: ${message}`);
  }
  return result.success && problems.length === 0 ? { settings: result.data } : { problems };
}

interface Flags {
  readonly given: Map<string, Given>;
  readonly config: string | undefined;
}

function readFlags(argv: readonly string[], known: readonly NamedSetting[], problems: string[]): Flags {
  const names = ["--config", ...known.map(({ flag }) => flag)];
  const options = Object.fromEntries(names.map((name) => [name.slice(2), { type: "string" as const }]));
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const given = new Map<string, Given>();
  let config: string | undefined;
  let unknownAt = -2;
  for (const token of tokens) {
    // A word after an unknown option is taken for its value.
    if (token.kind === "positional" && token.index !== unknownAt + 1) {
      problems.push(`Unexpected argument ${token.value}`);
    }
    if (token.kind !== "option") continue;
    const { rawName, value, inlineValue } = token;
    const setting = known.find(({ flag }) => flag === rawName);
    if (!names.includes(rawName)) {
      problems.push(`Unknown option ${rawName}${didYouMean(rawName, names)}`);
      unknownAt = token.index;
    } else if (value === undefined || !inlineValue && value.startsWith("--")) problems.push(`${rawName} needs a value`);
    else if (setting) given.set(setting.key, { value, source: rawName });
    else config = value;
  }
  return { given, config };
}

function readVariables(
  env: Readonly<Record<string, string | undefined>>,
  known: readonly NamedSetting[],
  problems: string[],
): Map<string, Given> {
  const names = known.map(({ variable }) => variable);
  const others = everySetting().variables;
  const given = new Map<string, Given>();
  for (const [name, value] of Object.entries(env)) {
    const setting = known.find(({ variable }) => variable === name);
    if (!setting && name.startsWith("PETREL_") && !others.has(name)) {
      problems.push(`Unknown variable ${name}${didYouMean(name, names)}`);
    } else if (setting && value) given.set(setting.key, { value, source: name });
  }
  return given;
}

function readConfig(
  path: string,
  known: readonly NamedSetting[],
  readFile: (path: string) => string,
  problems: string[],
): Map<string, Given> {
  const given = new Map<string, Given>();
  let content: unknown;
  try {
    content = JSON.parse(readFile(path));
  } catch (error) {
    problems.push(`Cannot read ${path}: ${reasonOf(error)}`);
    return given;
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    problems.push(`Cannot read ${path}: expected an object, { "http": "localhost:8000" }`);
    return given;
  }
  const keys = known.map(({ key }) => key);
  const others = everySetting().keys;
  for (const [key, value] of Object.entries(content)) {
    if (keys.includes(key)) {
      given.set(key, { value: Array.isArray(value) ? value.join(",") : value, source: `${key} in ${path}` });
    } else if (!others.has(key)) problems.push(`Unknown key ${key} in ${path}${didYouMean(key, keys)}`);
  }
  return given;
}
