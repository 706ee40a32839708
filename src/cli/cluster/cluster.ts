import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import * as runtime from "#runtime";
import { systemClock } from "../../base/clock.ts";
import { ImError, reasonOf } from "../../base/errors.ts";
import { petrelCommand } from "../banner.ts";
import { isBlockedByFetch } from "../../base/fetch_ports.ts";
import { flagCommand } from "../flag_command.ts";
import type { FlagValues } from "../flags.ts";
import { LOG_LEVELS } from "../log.ts";
import { quoted } from "../reachable.ts";
import { keepSecret, keptOrMade } from "../secret.ts";
import { startProblem } from "../server_process.ts";
import { stopSignal } from "../stop_signal.ts";
import { signToken } from "../token.ts";
import { clusterBanner } from "./banner.ts";
import { ClusterLines } from "./lines.ts";
import { CLUSTER_PORTS, type ClusterPlan, MOST, placesOf, portsOf } from "./plan.ts";
import { leftBehind, runningIn } from "./running_cluster.ts";
import { stateFile, writeEnvironment } from "./state_file.ts";
import { OURS, Supervisor } from "./supervisor.ts";

const FLAGS = [
  { name: "ws", value: "number", preset: "2", help: "WebSocket gateways" },
  { name: "tcp", value: "number", preset: "1", help: "TCP gateways" },
  { name: "logic", value: "number", preset: "2", help: "Chat servers" },
  {
    name: "port",
    value: "number",
    preset: "8000",
    help: `Of the first gateway; the others' are at most ${CLUSTER_PORTS} above`,
  },
  {
    name: "data",
    value: "folder",
    help: "Messages, secrets, and cluster.json, which says what runs; default PETREL_DATA, then ./data",
  },
  { name: "database", value: "url", help: "postgres://user:password@host/database in place of SQLite" },
  { name: "log", value: "level", preset: "info", help: `What is logged: ${LOG_LEVELS.join(", ")}` },
  {
    name: "silence",
    value: "seconds",
    preset: "60",
    help: "A process that answers nothing for so long is killed and started again; 0: none is",
  },
  {
    name: "roll",
    help: "Restarts every process of the cluster that runs with this data folder, role by role",
  },
] as const;

const HELP = `petrel cluster: every role as processes of its own, on this machine

Starts gateways, chat servers, the message store, the router, the HTTP API, and Upstash's protocol in front of a
redis-server of its own (or uses UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN); starts again what ends by itself
or hangs; stops all at Ctrl-C. PETREL_… variables go to every process.

Usage: petrel cluster [options]
`;
const API_KEY = "api.key";
const TOKEN_DAYS = 30;
const INSTALLED = /[\\/]node_modules[\\/]/.test(import.meta.url);

/** `petrel cluster`. Gives the exit code: 0 stopped, 1 failed, 2 the options cannot be used. */
export const clusterMain = flagCommand({
  name: "cluster",
  help: HELP,
  flags: FLAGS,
  read: (values, problems) => optionsOf(values, process.env, problems),
  async run(options) {
    try {
      return options.roll ? roll(options.data) : await run(options);
    } catch (thrown) {
      const problem = startProblem(thrown);
      console.error(problem);
      if (problem.includes("the port is taken")) console.error("petrel cluster --port <number> moves all its ports");
      return 1;
    }
  },
});

async function run(options: Options): Promise<number> {
  const startedMs = systemClock.mono();
  const { data, silenceMs } = options;
  makeFolder(data);
  const others = runningIn(data);
  if (others) throw new ImError("CONFIG", `Cannot start in ${data}: a cluster runs there already, pid ${others.pid}`);
  await leftBehind(data, (text) => console.error(text));
  const plan: ClusterPlan = { ...options, secrets: secretsOf(data) };
  const { places, shared } = placesOf(plan);
  const blocked = portsOf(places).find(isBlockedByFetch);
  if (blocked !== undefined) {
    throw new ImError(
      "CONFIG",
      `Cannot start: port ${blocked} would be used, which web clients refuse; another --port`,
    );
  }
  const colors = process.stdout.isTTY === true && process.env["NO_COLOR"] === undefined;
  const names = [...places.map(({ name }) => name), OURS];
  const lines = new ClusterLines(names, colors, (text) => void process.stdout.write(text));
  const supervisor = new Supervisor({ data, places, lines, silenceMs, randomBytes: runtime.randomBytes });
  const hangUp = Promise.withResolvers<void>();
  process.on("SIGUSR2", () => void supervisor.roll());
  // At a terminal it means that nobody is there any more; without one it is the usual sign to begin anew.
  const atTerminal = process.stdout.isTTY === true; // when it hangs up this is not known any more
  process.on("SIGHUP", () => atTerminal ? hangUp.resolve() : void supervisor.roll());
  process.stdout.on("error", () => {}); // whoever read it is gone: the cluster goes on without a log
  const stop = Promise.race([stopSignal(), hangUp.promise]);
  writeEnvironment(data, shared);
  const starting = supervisor.start();
  try {
    if (await Promise.race([stop.then(() => "stop"), starting]) !== "stop") {
      const token = (account: string): string => signToken(account, "kim", TOKEN_DAYS, plan.secrets.token);
      console.log(clusterBanner({
        runtime: `${runtime.name} ${runtime.version}`,
        startMs: Math.round(systemClock.mono() - startedMs),
        processes: places.map((place) => ({ name: place.name, role: place.role, urls: place.run(1).urls })),
        tokens: ["ann", "bob"].map((account) => ({ account, token: token(account) })),
        command: petrelCommand(runtime.name, process.execPath, INSTALLED),
        dataFlag: data === resolve("./data") ? "" : ` --data ${quoted(data)}`,
        stateFile: stateFile(data),
        apiKeyFile: join(data, API_KEY),
      }, colors));
      await stop;
    }
    lines.line(OURS, "stopping");
  } finally {
    await supervisor.stop();
    await starting.catch(() => {}); // was told already, or does not matter any more
  }
  lines.line(OURS, "stopped");
  return 0;
}

/** @throws {ImError} CONFIG */
function makeFolder(data: string): void {
  try {
    mkdirSync(data, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ImError("CONFIG", `Cannot use data folder ${data}: ${reasonOf(cause)}`, { cause });
  }
}

/** Asks the cluster that runs to restart its processes. */
function roll(data: string): number {
  const running = runningIn(data);
  if (!running) throw new ImError("CONFIG", `Cannot restart: no cluster runs in ${data}`);
  process.kill(running.pid, "SIGUSR2");
  console.log(`Asked: the cluster (pid ${running.pid}) restarts its processes role by role, its log says how`);
  return 0;
}

function secretsOf(data: string): ClusterPlan["secrets"] {
  const kept = (name: string): string => keptOrMade(data, name, runtime.randomBytes);
  const token = process.env["PETREL_TOKEN_SECRET"] || keepSecret(data, runtime.randomBytes, false);
  return {
    token,
    cluster: kept("cluster.secret"),
    upstash: kept("upstash.token"),
    api: process.env["PETREL_API_KEY"] || kept(API_KEY),
  };
}

/** What the plan says for each process, whatever the environment says. */
const PLANNED = [
  "HTTP",
  "TCP",
  "LINK",
  "MONITOR",
  "ROYAL",
  "ROYAL_URL",
  "DATABASE_URL",
  "PUBLIC",
  "DOMAIN",
  "SERVICE_ID",
];

/** Our variables, for all processes. */
function toldBy(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const told: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value && /^PETREL_/.test(name) && !PLANNED.some((one) => name === `PETREL_${one}`)) told[name] = value;
  }
  return told;
}

interface Options extends Omit<ClusterPlan, "secrets"> {
  readonly silenceMs: number;
  readonly roll: boolean;
}

function optionsOf(
  values: FlagValues<(typeof FLAGS)[number]>,
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Options {
  const number = (name: "ws" | "tcp" | "logic" | "port" | "silence", from: number, to: number): number => {
    const value = /^\d+$/.test(values[name]!) ? Number(values[name]) : NaN;
    if (!(value >= from && value <= to)) {
      problems.push(`--${name} is ${JSON.stringify(values[name])}: expected a whole number from ${from} to ${to}`);
    }
    return value;
  };
  const [ws, tcp, logic] = [number("ws", 0, MOST), number("tcp", 0, MOST), number("logic", 1, MOST)];
  const port = number("port", 1, 65_535 - CLUSTER_PORTS);
  const silenceMs = 1_000 * number("silence", 0, 86_400);
  if (ws + tcp === 0) problems.push("--ws and --tcp are 0: without a gateway nobody can connect");
  const { log = "info", database } = values;
  if (!LOG_LEVELS.some((level) => level === log)) problems.push(`--log is ${log}: expected ${LOG_LEVELS.join(", ")}`);
  if (database !== undefined && !/^postgres(ql)?:\/\/./.test(database)) {
    problems.push("--database: expected postgres://user:password@host/database");
  }
  const url = env["UPSTASH_REDIS_REST_URL"], token = env["UPSTASH_REDIS_REST_TOKEN"];
  if (url && !token) problems.push("UPSTASH_REDIS_REST_TOKEN is needed, as UPSTASH_REDIS_REST_URL is given");
  const data = resolve(values.data ?? (env["PETREL_DATA"] || "./data"));
  const upstash = url && token ? { url, token } : undefined;
  const told = toldBy(env), roll = values.roll !== undefined;
  return { ws, tcp, logic, port, data, log, database, upstash, told, silenceMs, roll };
}
