import { parseArgs } from "node:util";
import { didYouMean } from "./did_you_mean.ts";

/** One option of a command: `--name <value>`, or without a value `--name`. */
export interface Flag {
  readonly name: string;
  /** What stands for the value in the help, one word. None: a switch, given it reads "yes". */
  readonly value?: string;
  readonly help: string;
  /** Used when it is not given. */
  readonly preset?: string;
}

/** What was given, by name. */
export type FlagValues<F extends Flag> = { readonly [N in F["name"]]?: string };

/** The values given, with presets; or what is wrong, a line each; or that help was asked for. */
export type FlagsResult<F extends Flag> =
  | { readonly kind: "values"; readonly values: FlagValues<F> }
  | { readonly kind: "problems"; readonly problems: readonly string[] }
  | { readonly kind: "help" };

/** Reads a command's arguments. Unknown options and words that belong to none are problems; `--help` wins over them. */
export function readFlags<const F extends Flag>(args: readonly string[], flags: readonly F[]): FlagsResult<F> {
  if (args.includes("--help") || args.includes("-h")) return { kind: "help" };
  const names = flags.map(({ name }) => `--${name}`);
  const switches = new Set<string>(flags.filter(({ value }) => value === undefined).map(({ name }) => name));
  const options = Object.fromEntries(
    flags.map(({ name }) => [name, { type: switches.has(name) ? "boolean" as const : "string" as const }]),
  );
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  const values: { [N in string]?: string } = {};
  for (const { name, preset } of flags) if (preset !== undefined) values[name] = preset;
  const problems: string[] = [];
  let unknownAt = -2;
  for (const token of tokens) {
    // A word after an unknown option is taken for its value.
    if (token.kind === "positional" && token.index !== unknownAt + 1) {
      problems.push(`Unexpected argument ${token.value}`);
    }
    if (token.kind !== "option") continue;
    const { name, rawName, value, inlineValue } = token;
    if (!names.includes(rawName)) {
      problems.push(`Unknown option ${rawName}${didYouMean(rawName, names)}`);
      unknownAt = token.index;
    } else if (switches.has(name)) {
      if (value === undefined) values[name] = "yes";
      else problems.push(`${rawName} takes no value`);
    } else if (value === undefined || value === "" || !inlineValue && value.startsWith("--")) {
      problems.push(`${rawName} needs a value`);
    } else values[name] = value;
  }
  return problems.length > 0 ? { kind: "problems", problems } : { kind: "values", values: values as FlagValues<F> };
}

/** The options, a line each, for `--help`. */
export function flagsHelp(flags: readonly Flag[]): string {
  const rows = [
    ...flags.map(({ name, value, help, preset }) => [
      value === undefined ? `--${name}` : `--${name} <${value}>`,
      preset === undefined ? help : `${help} (default ${preset})`,
    ]),
    ["--help", "This text"],
  ];
  const width = Math.max(...rows.map(([head]) => head!.length)) + 2;
  return rows.map(([head, help]) => `  ${head!.padEnd(width)}${help}`).join("\n");
}
