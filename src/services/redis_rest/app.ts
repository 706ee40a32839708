import { type Context, Hono } from "hono";
import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Metrics } from "../../base/metrics.ts";
import { readBody } from "../../comm/http_body.ts";
import { sameText } from "../../protocol/claims.ts";
import type { RedisConn } from "./redis_conn.ts";
import { BadRequest, commandOf, commandOfPath, commandsOf } from "./rest_command.ts";
import { type Arg, RedisError, type Reply } from "./resp.ts";
import { resultOf } from "./result.ts";
import { type Subscribe, subscription } from "./subscription.ts";

export interface RedisRestDeps {
  /** Where commands go. */
  readonly redis: Pick<RedisConn, "send">;
  /** Opens a connection of its own for each subscription. */
  readonly subscribe: Subscribe;
  /** Who may ask: `Authorization: Bearer <token>`, or `?_token=`. */
  readonly token: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly limits?: Partial<RestLimits>;
}

export interface RestLimits {
  /** Of a request's body. */
  readonly bytes: number;
  /** Of a pipeline or transaction. */
  readonly commands: number;
  /** Open at once. */
  readonly subscriptions: number;
}

export const REST_LIMITS: RestLimits = { bytes: 10 << 20, commands: 1_000, subscriptions: 1_000 };

const METHODS = ["GET", "HEAD", "POST", "PUT"];
type Status = 200 | 400 | 401 | 405 | 429 | 500 | 503;

/**
 * The REST protocol of Upstash Redis in front of any Redis. `POST /` has a command, `/pipeline` and `/multi-exec` have many,
 * `/subscribe/<channel>` streams, every other path is a command. Source: https://upstash.com/docs/redis/features/restapi
 */
export function redisRestApp(deps: RedisRestDeps): Hono {
  const { redis, clock, log, metrics, token } = deps;
  const limits = { ...REST_LIMITS, ...deps.limits };
  const seconds = metrics.histogram("petrel_redis_rest_seconds", "Time of a REST request to Redis");
  const commands = metrics.counter("petrel_redis_rest_commands_total", "Commands of REST requests");
  const stream = subscription(deps.subscribe, limits.subscriptions, metrics);
  const app = new Hono();

  const send = (all: readonly (readonly Arg[])[]): Promise<Reply[]> => {
    commands.inc(all.length);
    return redis.send(all);
  };

  const single = async (command: readonly Arg[], base64: boolean): Promise<Response> => {
    const [reply] = await send([command]);
    return json(resultOf(reply!, base64), reply instanceof RedisError ? 400 : 200);
  };

  const transaction = async (all: readonly (readonly Arg[])[], base64: boolean): Promise<Response> => {
    const replies = await send([["MULTI"], ...all, ["EXEC"]]);
    const done = replies.at(-1);
    if (Array.isArray(done)) return json(done.map((reply: Reply) => resultOf(reply, base64)), 200);
    const why = replies.find((reply) => reply instanceof RedisError);
    return json({ error: why?.message ?? "ERR the transaction was discarded" }, 400);
  };

  const answer = async (c: Context): Promise<Response> => {
    const request = c.req.raw;
    if (!METHODS.includes(request.method)) return failed(`ERR method ${request.method} is not allowed`, 405);
    const url = new URL(request.url);
    if (!isToken(request.headers.get("authorization"), url.searchParams.get("_token"), token)) {
      return failed("WRONGPASS invalid or missing auth token", 401);
    }
    const format = request.headers.get("upstash-response-format") ?? "json";
    if (format !== "json") throw new BadRequest(`ERR response format ${format} is not supported`);
    const encoding = request.headers.get("upstash-encoding");
    if (encoding !== null && encoding !== "base64") throw new BadRequest(`ERR encoding ${encoding} is not supported`);
    const base64 = encoding !== null;
    const body = await bodyOf(request, limits.bytes);
    const path = url.pathname.replace(/\/+$/, "");
    if (path === "" && body.length > 0) return await single(commandOf(parsed(body)), base64);
    if (path === "/pipeline") {
      const replies = await send(commandsOf(parsed(body), limits.commands));
      return json(replies.map((reply) => resultOf(reply, base64)), 200);
    }
    if (path === "/multi-exec") return await transaction(commandsOf(parsed(body), limits.commands), base64);
    if (/^\/subscribe(\/|$)/i.test(path)) return await stream(commandOfChannels(url, body), request.signal);
    return await single(commandOfPath(url, body), base64);
  };

  app.all("*", async (c) => {
    const started = clock.mono();
    try {
      return await answer(c);
    } catch (thrown) {
      if (thrown instanceof BadRequest) return failed(thrown.message, 400);
      const error = ImError.from(thrown, "Cannot answer: the server failed");
      if (error.code === "BUSY") return failed(`ERR ${error.message}`, 429);
      if (error.code === "CLOSED") return failed(`ERR ${error.message}`, 503);
      log.warn("redis request failed", { error: thrown });
      return failed(`ERR ${error.message}`, 500);
    } finally {
      seconds.observe((clock.mono() - started) / 1000);
    }
  });
  return app;
}

function isToken(authorization: string | null, query: string | null, token: string): boolean {
  const given = /^Bearer +(.+)$/i.exec(authorization ?? "")?.[1] ?? query ?? "";
  return sameText(given, token);
}

/** @throws {BadRequest} it is larger than allowed */
async function bodyOf(request: Request, most: number): Promise<Uint8Array> {
  try {
    return await readBody(request, most);
  } catch (thrown) {
    if (ImError.from(thrown).code !== "FRAME_TOO_LARGE") throw thrown;
    throw new BadRequest(`ERR max request size exceeded. Limit: ${most} bytes`);
  }
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new BadRequest("ERR the body is not JSON");
  }
}

function commandOfChannels(url: URL, body: Uint8Array): string[] {
  const [, ...channels] = url.pathname.split("/").filter(Boolean).map(decodeURIComponent);
  if (body.length > 0) {
    const more = parsed(body);
    if (Array.isArray(more)) channels.push(...more.filter((one) => typeof one === "string"));
  }
  if (channels.length === 0) throw new BadRequest("ERR wrong number of arguments for 'subscribe' command");
  return channels;
}

function failed(error: string, status: Status): Response {
  return json({ error }, status);
}

function json(body: unknown, status: Status): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}
