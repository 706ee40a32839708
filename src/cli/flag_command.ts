import { type Flag, flagsHelp, type FlagValues, readFlags } from "./flags.ts";

/** A command of `petrel` that is told by flags what to do. */
export interface FlagCommand<F extends Flag, Options> {
  /** `petrel <name>`. */
  readonly name: string;
  /** The beginning of `--help`: what it is for, and how it is called. */
  readonly help: string;
  readonly flags: readonly F[];
  /** What it is to do; or undefined, with what is wrong added to the problems, a line each. */
  read(values: FlagValues<F>, problems: string[]): Options | undefined;
  /** Gives the exit code: 0 done, 1 failed. */
  run(options: Options): Promise<number>;
}

/** Runs a command from its arguments. Gives its exit code; 2: the arguments cannot be used, and what is wrong is said. */
export function flagCommand<F extends Flag, Options>(
  { name, help, flags, read, run }: FlagCommand<F, Options>,
): (args: readonly string[]) => Promise<number> {
  return async (args) => {
    const given = readFlags(args, flags);
    if (given.kind === "help") {
      console.log(`${help}\n${flagsHelp(flags)}`);
      return 0;
    }
    const problems: string[] = given.kind === "problems" ? [...given.problems] : [];
    const options = given.kind === "values" ? read(given.values, problems) : undefined;
    if (options !== undefined && problems.length === 0) return await run(options);
    for (const problem of problems) console.error(problem);
    console.error(`petrel ${name} --help lists all options`);
    return 2;
  };
}
