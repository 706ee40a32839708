import fs from "node:fs";
import { Checker } from "./checker.ts";
import { FileHistory, HISTORY_FILE, readHistory } from "./history.ts";
import { crash } from "./crash.ts";
import { crashRoyal, type RoyalCrashOptions, type RoyalFault } from "./crash_royal.ts";
import { Options, type OptionSpec, UsageError } from "./options.ts";
import { HistoryMeter } from "./history_meter.ts";
import {
  grouped,
  latencyText,
  type Outcome,
  REPORT_OPTIONS,
  say,
  surroundings,
  timelineOf,
  writeReport,
} from "./report.ts";
import { runtimeOf } from "./process_stats.ts";
import { OWN_SERVER, ownCommand } from "./target.ts";
import { FAULTS, type Verdict, verdictLines } from "./verdict.ts";

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
  { name: "server", value: "CMD", help: "the server to start and kill (petrel dev)" },
  { name: "kill", value: "server|royal", preset: "server", help: "what: royal is the store in a process of its own" },
  { name: "royal", value: "CMD", help: "with --kill royal: the store to start and kill (petrel royal)" },
  { name: "database", value: "URL", help: "with --kill royal: keep messages in this PostgreSQL, not in SQLite" },
  { name: "pauses", help: "with --kill royal: SIGTERM and 6 s of SIGSTOP too" },
  { name: "rounds", value: "N", preset: "20", help: "kills" },
  { name: "seed", value: "N", preset: "1", help: "of the random moments" },
  { name: "clients", value: "N", preset: "50", help: "connections, half of them senders of each other" },
  { name: "groups", value: "N", preset: "5", help: "every client is in one of them, and half of the sends go there" },
  { name: "large-groups", help: "they are large at that server (its --inbox-group is below clients / groups)" },
  { name: "acked", value: "N", preset: "2000", help: "sends that must be acked before each kill" },
  HISTORY_FILE,
  ...REPORT_OPTIONS.filter(({ name }) => name === "report" || name === "disk"),
  ...CHECK_OPTIONS,
];

/** `petrel load crash`: kill -9 under load, again and again, then judges. Exit code 1 when anything is wrong. */
export async function crashCommand(args: readonly string[]): Promise<number> {
  const options = new Options(args, CRASH_OPTIONS);
  const clients = options.whole("clients", 2);
  if (clients % 2 === 1) throw new UsageError(`Cannot use --clients ${clients}: they talk in pairs`);
  if (options.whole("groups") > clients) {
    throw new UsageError(`Cannot use --groups ${options.text("groups")}: there are ${clients} clients`);
  }
  const plan = {
    command: options.text("server") ?? OWN_SERVER,
    rounds: options.whole("rounds", 1),
    seed: options.whole("seed"),
    clients,
    groups: options.whole("groups"),
    largeGroups: options.on("large-groups"),
    minAcked: options.whole("acked", 1),
  };
  const file = options.text("history");
  if (options.text("kill") === "royal") return await royalCommand(options, plan, file);
  if (options.text("kill") !== "server") throw new UsageError("Cannot use --kill: expected server or royal");
  using history = file === undefined ? undefined : new FileHistory(file);
  const server: { pid: number | undefined; runtime: string | undefined } = { pid: undefined, runtime: undefined };
  const timeline = timelineOf(options, server);
  const meter = new HistoryMeter(timeline);
  timeline?.start();
  const { verdict } = await crash({
    ...plan,
    say,
    record: (event) => {
      history?.record(event);
      meter.record(event);
    },
    server: (pid) => {
      if (server.pid !== undefined && pid === undefined) timeline?.mark("killed");
      server.pid = pid;
      if (timeline !== undefined && pid !== undefined) server.runtime ??= runtimeOf(pid);
    },
  }).finally(() => timeline?.stop());
  const title = `crash: ${plan.rounds} kills, ${clients} clients, at least ${plan.minAcked} acked before each`;
  if (timeline !== undefined) {
    const around = { ...surroundings(options, undefined, "crash", args), server: server.runtime };
    writeReport(crashOutcome(title, verdict, meter), around, options, timeline);
  }
  return tell(verdict, options);
}

type Plan = Pick<RoyalCrashOptions, "command" | "rounds" | "seed" | "clients" | "minAcked">;

async function royalCommand(options: Options, plan: Plan, file: string | undefined): Promise<number> {
  using history = file === undefined ? undefined : new FileHistory(file);
  const database = options.text("database");
  const kills: RoyalFault[] = database === undefined
    ? ["random time", "after-commit", "before-commit"]
    : ["random time"];
  const { verdict } = await crashRoyal({
    ...plan,
    royal: options.text("royal") ?? ownCommand("royal"),
    database,
    faults: options.on("pauses") ? [...kills, "SIGTERM", "SIGSTOP"] : kills,
    say,
    record: (event) => history?.record(event),
  });
  return tell(verdict, options);
}

function crashOutcome(title: string, verdict: Verdict, meter: HistoryMeter): Outcome {
  const { attempts, acked, refused, unknownStored, unknownNotStored, faults } = verdict;
  const wrong = FAULTS.filter((name) => faults[name].count > 0);
  return {
    title,
    tiles: FAULTS.map((name) => [name, faults[name].count]),
    faults: wrong.map((name) => `${name} ${faults[name].count}`),
    details: wrong.length === 0 ? [] : verdictLines(verdict),
    rows: [
      ["sends", `${grouped(attempts)}: ${grouped(acked)} acked, ${grouped(refused)} refused`],
      ["not answered", `${grouped(unknownStored)} stored, ${grouped(unknownNotStored)} not`],
      ["send to ack", latencyText(meter.sendToAck.summary())],
      ["send to push", latencyText(meter.sendToPush.summary())],
    ],
    figures: { verdict },
  };
}

function tell(verdict: Verdict, options: Options): number {
  say(...verdictLines(verdict), "", verdict.clean ? "OK" : "WRONG");
  const file = options.text("json");
  if (file !== undefined) fs.writeFileSync(file, JSON.stringify(verdict, null, 2) + "\n");
  return verdict.clean ? 0 : 1;
}
