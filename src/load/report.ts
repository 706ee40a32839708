import fs from "node:fs";
import os from "node:os";
import process from "node:process";
import { type DiskFigures, measureDisk } from "./disk.ts";
import type { LatencySummary } from "./histogram.ts";
import { type Options, type OptionSpec } from "./options.ts";
import { type Machine, machine, ownUse, type ProcessUse, runtimeOf, useOf } from "./process_stats.ts";
import { reportPage } from "./report_page.ts";
import type { Target } from "./target.ts";
import { Timeline } from "./timeline.ts";

/** The options of every scenario that say how results are shown. */
export const REPORT_OPTIONS: readonly OptionSpec[] = [
  { name: "json", value: "FILE", help: "also write everything as JSON" },
  { name: "report", value: "FILE", help: "also write a page with charts over time (HTML, one file)" },
  { name: "disk", value: "DIR", help: "measure the sync time of this directory's disk (the temporary directory)" },
  { name: "quiet", help: "no progress lines; together with --json no table either" },
  { name: "help", help: "this text" },
];

/** Of commands without a page of charts. */
export const FIGURE_OPTIONS = REPORT_OPTIONS.filter(({ name }) => name !== "report");

/** Use of client and server between two moments. */
export interface UseFigures {
  readonly clientCpuUs: number;
  readonly clientRss: number;
  /** Undefined: the server's process is not known. */
  readonly serverCpuUs: number | undefined;
  readonly serverRss: number | undefined;
  readonly elapsedMs: number;
}

/** Watches CPU and memory of this process and the server's. */
export class UseMeter {
  readonly #pid: number | undefined;
  #own: ProcessUse = ownUse();
  #server: ProcessUse | undefined;
  #at = performance.now();

  constructor(pid: number | undefined) {
    this.#pid = pid;
    this.start();
  }

  /** Counts from now on. */
  start(): void {
    this.#own = ownUse();
    this.#server = this.#pid === undefined ? undefined : useOf(this.#pid);
    this.#at = performance.now();
  }

  /** Used since `start`; memory is of now. */
  read(): UseFigures {
    const own = ownUse();
    const server = this.#pid === undefined ? undefined : useOf(this.#pid);
    return {
      clientCpuUs: own.cpuUs - this.#own.cpuUs,
      clientRss: own.rssBytes,
      serverCpuUs: server === undefined || this.#server === undefined ? undefined : server.cpuUs - this.#server.cpuUs,
      serverRss: server?.rssBytes,
      elapsedMs: performance.now() - this.#at,
    };
  }
}

/** A line of the final table. */
export type Row = readonly [label: string, value: string];

/** Counts that decide: 0 is right. */
export type Tile = readonly [label: string, count: number];

/** What a scenario found. */
export interface Outcome {
  /** One line: what was done. */
  readonly title: string;
  readonly rows: readonly Row[];
  /** The same for machines. */
  readonly figures: Record<string, unknown>;
  /** What a look at the report must show first. */
  readonly tiles: readonly Tile[];
  /** What is wrong; any makes the exit code 1. */
  readonly faults: readonly string[];
  /** More about it, line by line. */
  readonly details?: readonly string[];
}

/** Where and how it was measured, for every report. */
export interface Surroundings {
  readonly machine: Machine;
  /** What the server runs on; undefined: not known. */
  readonly server: string | undefined;
  readonly disk: DiskFigures | { readonly directory: string; readonly problem: string };
  readonly commandLine: string;
}

/** Measures the disk and names the machine. Takes a second at most on a usual disk. */
export function surroundings(
  options: Options,
  target: Target | undefined,
  name: string,
  args: readonly string[],
): Surroundings {
  const directory = options.text("disk") ?? target?.dataDir ?? os.tmpdir();
  const server = target?.pid === undefined ? undefined : runtimeOf(target.pid);
  return { machine: machine(), server, disk: tryDisk(directory), commandLine: commandLine(name, args) };
}

/** What is watched for `--report`, CPU and memory first; undefined when none is asked for. */
export function timelineOf(options: Options, target: { readonly pid: number | undefined }): Timeline | undefined {
  if (options.text("report") === undefined) return undefined;
  const timeline = new Timeline();
  timeline.process("server", () => target.pid);
  timeline.process("client", () => process.pid);
  return timeline;
}

/** Prints the table, writes `--json` and `--report`. Gives the exit code. */
export function publish(outcome: Outcome, around: Surroundings, options: Options, timeline?: Timeline): number {
  writeReport(outcome, around, options, timeline);
  const rows: Row[] = [...outcome.rows, ...aroundRows(around)];
  const file = options.text("json");
  if (file === undefined || !options.on("quiet")) {
    const width = Math.max(...rows.map(([label]) => label.length)) + 2;
    say("", outcome.title, "");
    for (const [label, value] of rows) say(`  ${label.padEnd(width)}${value}`);
    say("");
  }
  if (outcome.details !== undefined) say(...outcome.details);
  say(outcome.faults.length === 0 ? "OK" : `WRONG: ${outcome.faults.join("; ")}`);
  if (file !== undefined) {
    const all = { ...outcome, rows: undefined, ...around, options: options.shown(), at: new Date().toISOString() };
    fs.writeFileSync(file, JSON.stringify(all, plain, 2) + "\n");
  }
  return outcome.faults.length === 0 ? 0 : 1;
}

/** Writes `--report`, if it was asked for. */
export function writeReport(outcome: Outcome, around: Surroundings, options: Options, timeline?: Timeline): void {
  const file = options.text("report");
  if (file === undefined) return;
  fs.writeFileSync(file, reportPage({ ...outcome, where: aroundRows(around), charts: timeline?.charts() }));
}

/** Machine, runtime of the tool, disk, and how to repeat it. */
function aroundRows({ machine: m, server, disk, commandLine }: Surroundings): Row[] {
  const diskText = "problem" in disk
    ? `${disk.directory}: ${disk.problem}`
    : `${disk.directory}: write + sync of 4 KiB p50 ${disk.p50} ms, p99 ${disk.p99} ms`;
  return [
    ["machine", `${m.cores} cores, ${m.cpu}, ${m.memoryGib} GiB, ${m.system}`],
    ["runtimes", `client ${m.runtime}, server ${server ?? "unknown"}`],
    ["disk", diskText],
    ["command", commandLine],
  ];
}

/** Rows about CPU and memory; `messages` were handled in the measured time. */
export function useRows(use: UseFigures, messages: number, pidProblem: string, unit = "message"): Row[] {
  const cpu = (us: number) =>
    `${percent(us / 1000 / use.elapsedMs)} of a core` +
    (messages > 0 ? `, ${(us / messages).toFixed(1)} us per ${unit}` : "");
  const server = use.serverCpuUs === undefined || use.serverRss === undefined
    ? `unknown: ${pidProblem === "" ? "its process ended" : pidProblem}`
    : `${cpu(use.serverCpuUs)}, ${mib(use.serverRss)} MiB`;
  return [["server CPU, RSS", server], ["client CPU, RSS", `${cpu(use.clientCpuUs)}, ${mib(use.clientRss)} MiB`]];
}

/** Latencies for a row, milliseconds. */
export function latencyText(l: LatencySummary): string {
  return `p50 ${ms(l.p50)}  p99 ${ms(l.p99)}  p99.9 ${ms(l.p999)}  max ${ms(l.max)} ms`;
}

/** `1,234,567`. */
export function grouped(value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

export function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}

/** A line for people. */
export function say(...lines: string[]): void {
  for (const line of lines) console.log(line);
}

function ms(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function tryDisk(directory: string): Surroundings["disk"] {
  try {
    return measureDisk(directory);
  } catch (error) {
    return { directory, problem: (error as Error).message };
  }
}

function commandLine(name: string, args: readonly string[]): string {
  const shown: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg.startsWith("--secret=")) shown.push("--secret=…");
    else shown.push(/^[\w./:=,-]+$/.test(arg) ? arg : JSON.stringify(arg));
    if (arg === "--secret" && i + 1 < args.length) {
      shown.push("…");
      i++;
    }
  }
  const versions: Record<string, string | undefined> = process.versions;
  return [versions["deno"] === undefined ? "bun run petrel load" : "deno task petrel load", name, ...shown].join(" ");
}

function plain(_key: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value;
}
