import * as runtime from "#runtime";
import { silent } from "../../src/base/logger.ts";
import { parseRedisAddress } from "../../src/cli/redis_address.ts";
import { startUpstash, type UpstashConfig, type UpstashSystem } from "../../src/cli/upstash_system.ts";
import { RedisServer } from "./redis_server.ts";

/** An empty Redis of the test's own, and Upstash's REST protocol in front of it. */
export class UpstashStand implements AsyncDisposable {
  readonly token = "stand-token";
  readonly redis: RedisServer;
  readonly #system: UpstashSystem;

  private constructor(redis: RedisServer, system: UpstashSystem) {
    this.redis = redis;
    this.#system = system;
  }

  /** A new one. @throws when there is no redis-server (`whyNoRedis`). */
  static async start(limits: UpstashConfig["limits"] = {}): Promise<UpstashStand> {
    const redis = await RedisServer.start();
    const system = await startUpstash(
      {
        http: { hostname: "127.0.0.1", port: 0 },
        redis: parseRedisAddress(`unix:${redis.path}`)!,
        token: "stand-token",
        ...(limits && { limits }),
      },
      runtime,
      silent,
    );
    return new UpstashStand(redis, system);
  }

  get url(): string {
    return this.#system.url;
  }

  /** One command; gives its result, or throws what Redis said. */
  async ask(...command: (string | number)[]): Promise<unknown> {
    const response = await fetch(this.url, {
      method: "POST",
      headers: { authorization: `Bearer ${this.token}` },
      body: JSON.stringify(command),
    });
    const { result, error } = await response.json() as { result?: unknown; error?: string };
    if (error !== undefined) throw new Error(error);
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#system[Symbol.asyncDispose]();
    await this.redis[Symbol.asyncDispose]();
  }
}
