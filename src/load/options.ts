import { parseArgs } from "node:util";

/** One `--name`. With `value` it takes one (the word shown in the help), without it is a switch. */
export interface OptionSpec {
  readonly name: string;
  readonly value?: string;
  readonly many?: true;
  readonly preset?: string;
  readonly help: string;
}

/** A mistake of the person who typed the command: shown without a stack, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What was typed, checked against the specs. */
export class Options {
  readonly positionals: readonly string[];
  readonly #values: Record<string, string | boolean | (string | boolean)[] | undefined>;

  /** @throws {UsageError} unknown option, missing value. */
  constructor(args: readonly string[], specs: readonly OptionSpec[]) {
    const options: Record<string, { type: "string" | "boolean"; multiple?: boolean; default?: string }> = {};
    for (const spec of specs) {
      options[spec.name] = { type: spec.value === undefined ? "boolean" : "string" };
      if (spec.many) options[spec.name]!.multiple = true;
      if (spec.preset !== undefined) options[spec.name]!.default = spec.preset;
    }
    try {
      const parsed = parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
      this.#values = parsed.values;
      this.positionals = parsed.positionals;
    } catch (cause) {
      throw new UsageError((cause as Error).message.split(". ")[0]!, { cause });
    }
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  texts(name: string): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
  }

  on(name: string): boolean {
    return this.#values[name] === true;
  }

  /** @throws {UsageError} missing, no number, or below `min`. */
  number(name: string, min = 0): number {
    const text = this.text(name);
    const value = Number(text);
    if (text === undefined || text.trim() === "" || !Number.isFinite(value) || value < min) {
      throw new UsageError(`Cannot use --${name} ${text ?? ""}: expected a number from ${min} up`);
    }
    return value;
  }

  /** As `number`; undefined when it was not given. */
  maybe(name: string, min = 0): number | undefined {
    return this.text(name) === undefined ? undefined : this.number(name, min);
  }

  /** @throws {UsageError} no whole number, or below `min`. */
  whole(name: string, min = 0): number {
    const value = this.number(name, min);
    if (!Number.isInteger(value)) throw new UsageError(`Cannot use --${name} ${value}: expected a whole number`);
    return value;
  }

  /** Everything given or preset, for reports; secrets are left out. */
  shown(): Record<string, unknown> {
    return Object.fromEntries(Object.entries(this.#values).filter(([name]) => name !== "secret"));
  }
}

/** The lines of a help text for these options. */
export function optionHelp(specs: readonly OptionSpec[]): string {
  return specs.map((spec) => {
    const left = `  --${spec.name}${spec.value === undefined ? "" : ` ${spec.value}`}`;
    const preset = spec.preset === undefined ? "" : ` (${spec.preset})`;
    return `${left.padEnd(26)} ${spec.help}${preset}${spec.many ? "; may be repeated" : ""}`;
  }).join("\n");
}
