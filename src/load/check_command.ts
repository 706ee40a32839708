import fs from "node:fs";
import { Checker } from "./checker.ts";
import { FileHistory, readHistory } from "./history.ts";
import { crash } from "./crash.ts";
import { Options, type OptionSpec, UsageError } from "./options.ts";
import { say } from "./report.ts";
import { type Verdict, verdictLines } from "./verdict.ts";

export const CHECK_OPTIONS: readonly OptionSpec[] = [
  { name: "json", value: "FILE", help: "also write the verdict as JSON" },
  { name: "help", help: "this text" },
];

/** `petrel load check FILE`: judges a recorded history. Exit code 1 when anything is wrong. */
export async function checkCommand(args: readonly string[]): Promise<number> {
  const options = new Options(args, CHECK_OPTIONS);
  const file = options.positionals[0];
  if (file === undefined || options.positionals.length > 1) throw new UsageError("Give one history file");
  const checker = new Checker();
  for (const event of readHistory(file)) checker.add(event);
  return tell(checker.finish(), options);
}

export const CRASH_OPTIONS: readonly OptionSpec[] = [
  { name: "server", value: "CMD", preset: "bun src/cli/main.ts dev", help: "the server to start and kill" },
  { name: "rounds", value: "N", preset: "20", help: "kills" },
  { name: "seed", value: "N", preset: "1", help: "of the random moments" },
  { name: "clients", value: "N", preset: "50", help: "connections, half of them senders of each other" },
  { name: "acked", value: "N", preset: "2000", help: "sends that must be acked before each kill" },
  { name: "history", value: "FILE", help: "also keep everything that was seen, for `check`" },
  ...CHECK_OPTIONS,
];

/** `petrel load crash`: kill -9 under load, again and again, then judges. Exit code 1 when anything is wrong. */
export async function crashCommand(args: readonly string[]): Promise<number> {
  const options = new Options(args, CRASH_OPTIONS);
  const clients = options.whole("clients", 2);
  if (clients % 2 === 1) throw new UsageError(`Cannot use --clients ${clients}: they talk in pairs`);
  const file = options.text("history");
  using history = file === undefined ? undefined : new FileHistory(file);
  const { verdict } = await crash({
    command: options.text("server")!,
    rounds: options.whole("rounds", 1),
    seed: options.whole("seed"),
    clients,
    minAcked: options.whole("acked", 1),
    say,
    ...(history === undefined ? {} : { record: (event) => history.record(event) }),
  });
  return tell(verdict, options);
}

function tell(verdict: Verdict, options: Options): number {
  say(...verdictLines(verdict), "", verdict.clean ? "OK" : "WRONG");
  const file = options.text("json");
  if (file !== undefined) fs.writeFileSync(file, JSON.stringify(verdict, null, 2) + "\n");
  return verdict.clean ? 0 : 1;
}
