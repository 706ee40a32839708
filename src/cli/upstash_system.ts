import { systemClock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import type { ListenAt, Runtime } from "../comm/ports.ts";
import { redisRestApp, type RestLimits } from "../services/redis_rest/app.ts";
import { RedisConn } from "../services/redis_rest/redis_conn.ts";
import type { RedisAddress } from "./redis_address.ts";

export interface UpstashConfig {
  readonly http: ListenAt;
  readonly redis: RedisAddress;
  readonly token: string;
  readonly limits?: Partial<RestLimits>;
}

/** A running server of Upstash's REST protocol. Disposing stops it. */
export interface UpstashSystem extends AsyncDisposable {
  /** `http://127.0.0.1:8079`, with the port really bound. */
  readonly url: string;
  readonly metrics: Metrics;
}

/** Answers Upstash's REST protocol from a Redis. It need not be there yet. @throws {ImError} CONFIG: port taken. */
export async function startUpstash(config: UpstashConfig, runtime: Runtime, log: Logger): Promise<UpstashSystem> {
  await using stack = new AsyncDisposableStack();
  const clock = systemClock;
  const metrics = new Metrics();
  const { dial, opening } = config.redis;
  const redis = stack.use(new RedisConn({ dial, opening, clock, log }));
  metrics.gauge("petrel_redis_rest_pending", "Commands that wait for Redis", () => redis.pending);
  const app = redisRestApp({
    redis,
    subscribe: (told, lost) => new RedisConn({ dial, opening, clock, log, told, lost }),
    token: config.token,
    clock,
    log,
    metrics,
    ...(config.limits && { limits: config.limits }),
  });
  const http = stack.use(await runtime.serveHttp({ ...config.http, clock, log }, (request) => app.fetch(request)));
  redis.send([["PING"]]).catch(() => {}); // the log says at once when Redis is not there
  const running = stack.move();
  return { url: http.url, metrics, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
