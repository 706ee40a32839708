import type { Arg } from "./resp.ts";

/** Why a request is none, for its sender. */
export class BadRequest extends Error {}

/**
 * They change or wait on the connection that all requests share, or are not for clients: what Upstash does not offer
 * over REST either.
 */
const REFUSED = new Set([
  ...[
    "AUTH",
    "HELLO",
    "SELECT",
    "QUIT",
    "RESET",
    "CLIENT",
    "MONITOR",
    "SYNC",
    "PSYNC",
    "READONLY",
    "READWRITE",
    "ASKING",
  ],
  ...["MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH"],
  ...["SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE"],
  ...["BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP", "WAIT", "WAITAOF"],
  ...["SHUTDOWN", "DEBUG", "CONFIG", "REPLICAOF", "SLAVEOF", "FAILOVER", "CLUSTER", "SAVE", "BGSAVE", "BGREWRITEAOF"],
  ...["MODULE", "ACL", "MIGRATE", "LATENCY", "SLOWLOG"],
]);

/** One command of a JSON body: `["SET", "key", "value", "EX", 100]`. @throws {BadRequest} */
export function commandOf(value: unknown): Arg[] {
  if (!Array.isArray(value)) throw new BadRequest("ERR a command must be an array of strings and numbers");
  if (value.length === 0) throw new BadRequest("ERR empty command");
  return allowed(value.map(argOf));
}

/** Many commands of a JSON body. @throws {BadRequest} */
export function commandsOf(value: unknown, most: number): Arg[][] {
  if (!Array.isArray(value) || value.length === 0) throw new BadRequest("ERR expected an array of commands");
  if (value.length > most) {
    throw new BadRequest(`ERR max number of commands exceeded. Limit: ${most}, Actual: ${value.length}`);
  }
  return value.map(commandOf);
}

/**
 * The command of a path: `/set/key/value`; then the body, when there is one; then the query: `?EX=100`, `?NX`.
 * @throws {BadRequest}
 */
export function commandOfPath({ pathname, searchParams }: URL, body: Uint8Array): Arg[] {
  const args: Arg[] = pathname.split("/").slice(1).map(decoded);
  if (args.at(-1) === "") args.pop(); // a slash at the end
  if (body.length > 0) args.push(body);
  for (const [name, value] of searchParams) {
    if (name === "_token") continue;
    args.push(name);
    if (value !== "") args.push(value);
  }
  if (args.length === 0) throw new BadRequest("ERR empty command");
  return allowed(args);
}

function argOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new BadRequest("ERR a command must be an array of strings and numbers");
}

function allowed(args: Arg[]): Arg[] {
  const name = typeof args[0] === "string" ? args[0].toUpperCase() : "";
  if (REFUSED.has(name)) throw new BadRequest(`ERR Command is not available: '${name}'`);
  // Scripts must not wait on, or take over, what belongs to others.
  if (name === "XREAD" || name === "XREADGROUP") {
    if (args.some((arg) => typeof arg === "string" && arg.toUpperCase() === "BLOCK")) {
      throw new BadRequest(`ERR Command is not available: '${name}' with BLOCK`);
    }
  }
  return args;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new BadRequest("ERR the path is not percent-encoded UTF-8");
  }
}
