import process from "node:process";
import { FileHistory, HISTORY_FILE } from "../history.ts";
import { Options, type OptionSpec, UsageError } from "../options.ts";
import { grouped, latencyText, type Outcome, publish, REPORT_OPTIONS, say, surroundings } from "../report.ts";
import { TARGET_OPTIONS } from "../target.ts";
import { Timeline } from "../timeline.ts";
import { FAULTS, verdictLines } from "../verdict.ts";
import { FaultRun, type FaultRunResult } from "./fault_run.ts";
import type { FaultSystem } from "./fault_system.ts";
import { rolesThat } from "./fault_target.ts";
import { openGivenSystem } from "./given_system.ts";
import { startOwnCluster } from "./own_cluster.ts";
import { startOwnDev } from "./own_dev.ts";
import { cycleLength, FAULT_KINDS, type FaultKind, faultText, planFaults, type PlanOptions } from "./plan.ts";
import { openRunningCluster } from "./running_cluster.ts";
import { recoveryRows } from "./recovery.ts";
import { SCREEN_FAULTS, screenLines } from "./screen_judge.ts";

const counted = (name: string, preset: string, help: string): OptionSpec => ({ name, value: "N", preset, help });

export const FAULTS_OPTIONS: readonly OptionSpec[] = [
  { name: "faults", value: "LIST", preset: "kill,pause,cut,flush,clock", help: `of ${FAULT_KINDS.join(", ")}` },
  { name: "roles", value: "LIST", help: "faults only of these roles and links (all)" },
  { name: "seed", value: "N", preset: "1", help: "of the plan of faults, and of who talks to whom" },
  counted("kills", "5", "of each role, at least"),
  counted("pauses", "3", "of each role, at least"),
  counted("cuts", "5", "of each kind of link, at least"),
  counted("flushes", "3", "of the session store, at least"),
  counted("clocks", "2", "jumps of a clock for each role, at least"),
  counted("restarts", "1", "of each server, at least, one after the other"),
  { name: "every", value: "S", preset: "3", help: "mean seconds between two faults" },
  { name: "pause", value: "S", preset: "12", help: "how long a pause lasts at least; a lease lasts 10" },
  { name: "acked", value: "N", preset: "500000", help: "sends that must be acked" },
  { name: "seconds", value: "N", preset: "3600", help: "ends then, whatever has been reached" },
  { name: "clients", value: "N", preset: "100", help: "online, every second of them an old one" },
  { name: "large", value: "N", preset: "600", help: "members of the large group" },
  { name: "rate", value: "N", preset: "1000", help: "messages per second of all clients" },
  { name: "round", value: "N", preset: "100000", help: "acked sends after which everything is judged" },
  { name: "wait", value: "S", preset: "60", help: "how long to wait for what is missing before it is judged" },
  { name: "cluster", value: "FOLDER", help: "the petrel cluster that runs with this data folder" },
  { name: "own", value: "dev", help: "without --url: petrel dev and petrel royal in place of a cluster" },
  { name: "targets", value: "FILE", help: "with --url: what can be killed, paused…, and the commands for it (JSON)" },
  { name: "plan", help: "only prints the plan: one cycle of it" },
  HISTORY_FILE,
  ...TARGET_OPTIONS.filter(({ name }) => ["url", "secret", "secret-file", "app"].includes(name)),
  ...REPORT_OPTIONS,
];

/** `petrel load faults`: does faults to a whole system under load, and judges. Exit code 1 when anything is wrong. */
export async function faultsCommand(args: readonly string[]): Promise<number> {
  const options = new Options(args, FAULTS_OPTIONS);
  const kinds = kindsOf(options);
  await using system = await openSystem(options);
  const plan = planOf(options, kinds, system);
  if (cycleLength(plan) === 0) throw new UsageError("Cannot do any fault: no target and no link can take one of these");
  const leftOut = options.text("faults") === undefined ? [] : [...kinds].filter((kind) => isEmpty(plan, kind));
  if (leftOut.length > 0) say(`left out: ${leftOut.join(", ")}: nothing here, or of these --roles, can take it`);
  if (options.on("plan")) {
    for (const fault of planFaults(plan)) {
      if (fault.number > cycleLength(plan)) {
        system.passed?.();
        return 0;
      }
      say(`${faultText(fault)}${fault.together ? "  (at once)" : ""}`);
    }
  }
  const quiet = options.on("quiet");
  const file = options.text("history");
  using history = file === undefined ? undefined : new FileHistory(file);
  const timeline = options.text("report") === undefined ? undefined : new Timeline();
  for (const [name] of timeline === undefined ? [] : [["client"] as const, ...system.pids()]) {
    timeline!.process(name, () => name === "client" ? process.pid : system.pids().find(([one]) => one === name)?.[1]);
  }
  if (!quiet) say(`seed ${plan.seed}, ${cycleLength(plan)} faults in a cycle; logs in ${system.folder ?? "no folder"}`);
  const run = new FaultRun({
    plan,
    clients: options.whole("clients", 8),
    largeGroup: options.whole("large"),
    oneAddress: kinds.size === 1 && kinds.has("restart"),
    rate: options.number("rate", 1),
    acked: options.whole("acked", 1),
    mostSeconds: options.number("seconds", 1),
    ackedPerRound: options.whole("round", 1),
    waitMs: options.number("wait", 1) * 1000,
    say: quiet ? undefined : say,
    record: history === undefined ? undefined : (event) => history.record(event),
    timeline,
  }, system);
  const result = await run.run();
  const code = publish(outcomeOf(result, plan), surroundings(options, undefined, "faults", args), options, timeline);
  if (code === 0) system.passed?.();
  return code;
}

function goneRows(goneMs: readonly number[]): (readonly [string, string])[] {
  if (goneMs.length === 0) return [];
  const worst = Math.max(...goneMs) / 1000;
  return [["dead gateways' sessions", `gone after ${worst.toFixed(1)} s at the latest, ${goneMs.length} times`]];
}

function kindsOf(options: Options): Set<FaultKind> {
  const words = listOf(options.text("faults"));
  return new Set(words.map((word) => {
    const kind = FAULT_KINDS.find((one) => one === word);
    if (kind === undefined) throw new UsageError(`Cannot use --faults ${word}: expected ${FAULT_KINDS.join(", ")}`);
    return kind;
  }));
}

function listOf(text: string | undefined): string[] {
  return (text ?? "").split(",").map((word) => word.trim()).filter((word) => word !== "");
}

async function openSystem(options: Options): Promise<FaultSystem> {
  if (options.texts("url").length > 0) return await openGivenSystem(options);
  const folder = options.text("cluster");
  if (folder !== undefined) return await openRunningCluster(folder, options);
  if (options.text("own") === "dev") return await startOwnDev();
  if (options.text("own") !== undefined) throw new UsageError(`Cannot use --own ${options.text("own")}: expected dev`);
  return await startOwnCluster();
}

function isEmpty(plan: PlanOptions, kind: FaultKind): boolean {
  if (kind === "flush") return plan.counts.flush === 0;
  return plan[kind === "cut" ? "links" : kind].length === 0;
}

function planOf(options: Options, kinds: ReadonlySet<FaultKind>, { targets, links }: FaultSystem): PlanOptions {
  const wanted = listOf(options.text("roles"));
  const known = new Set([...targets.map(({ role }) => role), ...links.map(({ kind }) => kind)]);
  const unknown = wanted.find((one) => !known.has(one));
  if (unknown !== undefined) {
    throw new UsageError(`Cannot use --roles ${unknown}: there are ${[...known].sort().join(", ")}`);
  }
  const chosen = (kind: FaultKind, names: readonly string[]) =>
    kinds.has(kind) ? names.filter((name) => wanted.length === 0 || wanted.includes(name)) : [];
  const canFlush = targets.some((one) => one.flush !== undefined);
  return {
    seed: options.whole("seed"),
    kill: chosen("kill", rolesThat(targets, "kill")),
    pause: chosen("pause", rolesThat(targets, "pause")),
    clock: chosen("clock", rolesThat(targets, "shiftClock")),
    restart: targets.filter((one) => one.restart !== undefined && chosen("restart", [one.role]).length > 0)
      .map(({ name }) => name),
    links: chosen("cut", [...links.map(({ kind }) => kind), ...rolesThat(targets, "cut")]),
    counts: {
      kill: options.whole("kills"),
      pause: options.whole("pauses"),
      cut: options.whole("cuts"),
      flush: kinds.has("flush") && canFlush ? options.whole("flushes") : 0,
      clock: options.whole("clocks"),
      restart: options.whole("restarts"),
    },
    everyMs: options.number("every") * 1000,
    pauseMs: options.number("pause") * 1000,
  };
}

function outcomeOf(result: FaultRunResult, plan: PlanOptions): Outcome {
  const { verdict, screens, meter, recoveries, done, lost, rounds, logins, problems } = result;
  const { faults } = verdict;
  const tiles = [
    ["lost", faults.lost.count + screens.missing.count],
    ["twice", faults.twice.count + screens.twice.count],
    ["out of order", faults.order.count + screens.order.count],
    ["holes", faults.hole.count],
    ["phantom", faults.phantom.count + screens.extra.count],
  ] as const;
  const tally = (map: ReadonlyMap<string, number>) =>
    [...map].sort(([, a], [, b]) => b - a).map(([name, n]) => `${grouped(n)} ${name || "?"}`).join(", ") || "none";
  const unanswered = verdict.unknownStored + verdict.unknownNotStored;
  return {
    title: `faults: seed ${plan.seed}, ${grouped(verdict.acked)} acked in ${
      result.seconds.toFixed(0)
    } s, ${rounds} rounds`,
    rows: [
      ["judged", tiles.map(([name, count]) => `${name} ${grouped(count)}`).join(", ")],
      ["sends", `${grouped(verdict.attempts)}: ${grouped(verdict.acked)} acked, ${grouped(verdict.refused)} refused`],
      ["not answered", `${grouped(unanswered)}, of which ${grouped(verdict.unknownStored)} were stored`],
      ["failed for good (ours)", tally(result.failedOurs)],
      ["refused (old clients)", tally(result.refusedOld)],
      ["logins, connections lost", `${grouped(logins)}; ${tally(lost)}; at most ${result.mostLost} of one client`],
      ["shown", `${grouped(meter.shown)}; ${grouped(result.late)} only seconds after all was quiet`],
      ["not said", `${grouped(result.heldBack)}: nobody who was picked could`],
      ...goneRows(result.goneMs),
      ["send to ack", latencyText(meter.sendToAck.summary())],
      ["send to first screen", latencyText(meter.sendToPush.summary())],
      ["faults done", tally(done)],
      ...recoveryRows(recoveries),
    ],
    figures: {
      verdict,
      screens,
      recoveries,
      done: Object.fromEntries(done),
      logins,
      lost: Object.fromEntries(lost),
      mostLost: result.mostLost,
      failedOurs: Object.fromEntries(result.failedOurs),
      refusedOld: Object.fromEntries(result.refusedOld),
      heldBack: result.heldBack,
      shownLate: result.late,
      sessionsGoneMs: result.goneMs,
      rounds,
      seconds: result.seconds,
      sendToAckMs: meter.sendToAck.summary(),
      sendToPushMs: meter.sendToPush.summary(),
    },
    tiles,
    faults: [
      ...FAULTS.filter((name) => faults[name].count > 0).map((name) => `${faults[name].count} ${name} (inboxes)`),
      ...SCREEN_FAULTS.filter((name) => screens[name].count > 0).map((name) =>
        `${screens[name].count} ${name} (screens)`
      ),
      ...problems,
    ],
    details: [...(verdict.clean ? [] : verdictLines(verdict)), ...screenLines(screens)],
  };
}
