import process from "node:process";
import * as runtime from "#runtime";
import type { ListenAt } from "../comm/ports.ts";
import { startProblem } from "./server_process.ts";
import { flagCommand } from "./flag_command.ts";
import type { FlagValues } from "./flags.ts";
import { isLoopback, parseAddress } from "./host_port.ts";
import { openLog } from "./log.ts";
import { parseRedisAddress, type RedisAddress } from "./redis_address.ts";
import { startRedis } from "./redis_process.ts";
import { weakSecret } from "./secret.ts";
import { stopSignal } from "./stop_signal.ts";
import { startUpstash } from "./upstash_system.ts";

const FLAGS = [
  { name: "http", value: "host:port", preset: "localhost:8079", help: "Clients ask here; or unix:/path" },
  { name: "redis", value: "url", help: "redis://user:password@host:6379/0, rediss://… or unix:/path" },
  { name: "start-redis", value: "folder", help: "Starts a redis-server of its own there, and stops it in the end" },
  { name: "token", value: "text", help: "Who sends it may ask; default UPSTASH_REDIS_REST_TOKEN" },
  { name: "quiet", help: "Logs only warnings, and prints nothing when it is ready" },
] as const;

const HELP = `petrel upstash: Upstash's REST protocol in front of any Redis

For development without a network, for tests, and for running the session store yourself. Give --redis or --start-redis.
Petrel's processes find it by UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN. Runs until Ctrl-C.

Usage: petrel upstash [options]
`;

interface Options {
  readonly http: ListenAt;
  readonly redis: RedisAddress | undefined;
  readonly folder: string | undefined;
  readonly token: string;
  readonly quiet: boolean;
}

/** `petrel upstash`. Gives the exit code: 0 stopped, 1 failed, 2 the options cannot be used. */
export const upstashMain = flagCommand({ name: "upstash", help: HELP, flags: FLAGS, read: optionsOf, run });

async function run(options: Options): Promise<number> {
  const log = openLog({ level: options.quiet ? "warn" : "info" });
  const stop = stopSignal();
  await using stack = new AsyncDisposableStack();
  let ended: Promise<Error> | undefined;
  try {
    let redis = options.redis;
    if (options.folder !== undefined) {
      const own = stack.use(await startRedis(options.folder));
      ended = own.ended;
      redis = parseRedisAddress(`unix:${own.path}`);
    }
    const system = stack.use(await startUpstash({ ...options, redis: redis! }, runtime, log));
    if (!options.quiet) {
      console.log([
        "",
        `  Upstash's REST protocol at ${system.url}, in front of ${redis!.shown}`,
        "",
        `  UPSTASH_REDIS_REST_URL=${system.url}`,
        "  UPSTASH_REDIS_REST_TOKEN=<the token given>",
        "",
        "  Ctrl-C stops.",
        "",
      ].join("\n"));
    }
  } catch (thrown) {
    console.error(startProblem(thrown));
    return 1;
  }
  const failure = await (ended ? Promise.race([stop, ended]) : stop);
  if (failure instanceof Error) {
    log.error("redis stopped: ending now", { error: failure });
    return 1;
  }
  return 0;
}

function optionsOf(values: FlagValues<(typeof FLAGS)[number]>, problems: string[]): Options | undefined {
  const folder = values["start-redis"];
  const http = parseAddress(values.http ?? "");
  if (!http) problems.push(`--http is ${values.http}: expected host:port or unix:/path`);
  const redis = values.redis === undefined ? undefined : parseRedisAddress(values.redis);
  if (values.redis !== undefined && !redis) {
    problems.push("--redis: expected redis://host:port, rediss://host or unix:/path");
  }
  if ((values.redis === undefined) === (folder === undefined)) problems.push("Give either --redis or --start-redis");
  const token = values.token ?? process.env["UPSTASH_REDIS_REST_TOKEN"] ?? "";
  if (token === "") problems.push("--token is missing, and UPSTASH_REDIS_REST_TOKEN is not set");
  else if (/[^\x21-\x7e]/.test(token)) problems.push("--token: expected printable ASCII without spaces");
  else if (http && http.unix === undefined && !isLoopback(http.hostname)) {
    const weak = weakSecret(token);
    if (weak !== undefined) problems.push(`--token: ${weak}`);
  }
  return http && { http, redis, folder, token, quiet: values.quiet !== undefined };
}
