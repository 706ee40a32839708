import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import { type Options, UsageError } from "../options.ts";
import { wait } from "../pool.ts";
import { dayToken } from "../token.ts";
import { parseServerUrl } from "../wire_conn.ts";
import { FaultProxy } from "./fault_proxy.ts";
import type { FaultSystem } from "./fault_system.ts";
import type { FaultTarget } from "./fault_target.ts";
import { redisCommand } from "./redis_asked.ts";
import { answers } from "./role_process.ts";

/** What is used of `cluster.json`, which `petrel cluster` writes into its data folder. */
interface State {
  readonly pid: number;
  readonly processes: readonly {
    readonly role: string;
    readonly name: string;
    readonly pid: number;
    readonly urls: Readonly<Record<string, string>>;
  }[];
  readonly clients: { readonly ws: readonly string[]; readonly tcp: readonly string[] };
  readonly tokenSecretFile: string;
}

/** A process that was killed is there again in this time, and all are replaced in this one. */
const BACK_MS = 60_000;
const ROLL_MS = 300_000;

/**
 * The processes of a `petrel cluster` that runs with this data folder. It starts again what is killed.
 * @throws {UsageError} none runs there.
 */
export async function openRunningCluster(folder: string, options: Options): Promise<FaultSystem> {
  const state = readState(folder);
  const secret = fs.readFileSync(state.tokenSecretFile, "utf8").trim();
  const app = options.text("app")!;
  await using stack = new AsyncDisposableStack();
  const urls = [...state.clients.ws, ...state.clients.tcp].map(parseServerUrl);
  const proxies: FaultProxy[] = [];
  for (const { host, port } of urls) proxies.push(stack.use(await FaultProxy.start({ host, port })));
  const running = stack.move();
  const names = [...new Set(state.processes.map(({ name }) => name))];
  return {
    urls: urls.map(({ transport }, i) =>
      `${transport}://127.0.0.1:${proxies[i]!.port}${transport === "ws" ? "/" : ""}`
    ),
    straightUrls: urls.map(({ text }) => text),
    app,
    token: (account) => dayToken(secret, app, account),
    targets: [...names.map((name) => targetOf(folder, name)), clusterTarget(folder)],
    links: [{ kind: "client-gateway", proxies }],
    folder,
    problems: () => [],
    pids: () => names.map((name) => [name, newest(folder, name)?.pid] as const),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function targetOf(folder: string, name: string): FaultTarget {
  const { role, urls } = newest(folder, name)!;
  const redis = urls["redis"]?.replace(/^unix:/, "");
  let killed = 0;
  const signal = (word: NodeJS.Signals): Promise<void> => {
    killed = newest(folder, name)?.pid ?? killed;
    process.kill(killed, word);
    return Promise.resolve();
  };
  return {
    name,
    role: role === "gateway" && name.startsWith("tcp") ? "tgateway" : role,
    kill: () => signal("SIGKILL"),
    start: () =>
      until(`${name} is back`, BACK_MS, async () => {
        const one = newest(folder, name);
        return one !== undefined && one.pid !== killed && await isReady(one.urls);
      }),
    pause: () => signal("SIGSTOP"),
    resume: () => signal("SIGCONT"),
    ...(redis === undefined ? {} : {
      flush: async () => {
        const now = newest(folder, name)?.urls["redis"]?.replace(/^unix:/, "") ?? redis;
        await redisCommand(now, "FLUSHALL");
      },
    }),
  };
}

/** The cluster as one: it replaces its processes in turn. */
function clusterTarget(folder: string): FaultTarget {
  return {
    name: "cluster",
    role: "cluster",
    restart: async () => {
      const before = readState(folder);
      const old = new Set(before.processes.filter(({ role }) => role !== "upstash").map(({ pid }) => pid));
      process.kill(before.pid, "SIGUSR2");
      await until("every process was replaced", ROLL_MS, async () => {
        const { processes } = readState(folder);
        if (processes.some(({ pid }) => old.has(pid))) return false;
        return (await Promise.all(processes.map(({ urls }) => isReady(urls)))).every((one) => one);
      });
    },
  };
}

function newest(folder: string, name: string): State["processes"][number] | undefined {
  return readState(folder).processes.findLast((one) => one.name === name);
}

async function isReady(urls: Readonly<Record<string, string>>): Promise<boolean> {
  const { monitor, upstash } = urls;
  if (monitor !== undefined) return await answers(`${monitor}/ready`, (status) => status === 200);
  return upstash === undefined || await answers(upstash, () => true);
}

async function until(what: string, ms: number, done: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + ms;
  while (!await done()) {
    if (performance.now() > end) throw new Error(`Waited ${ms / 1000} s in vain until ${what}`);
    await wait(100);
  }
}

/** @throws {UsageError} no cluster runs there. */
function readState(folder: string): State {
  const file = path.join(folder, "cluster.json");
  try {
    return JSON.parse(fs.readFileSync(file, "utf8")) as State; // written by cli/cluster/state_file.ts
  } catch (cause) {
    throw new UsageError(`Cannot use --cluster ${folder}: no petrel cluster runs there (${file})`, { cause });
  }
}
