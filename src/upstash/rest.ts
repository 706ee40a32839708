import { Redis, type Requester } from "@upstash/redis/cloudflare";
import { ImError } from "../base/errors.ts";
import type { Command } from "./question.ts";

/**
 * The commands of `@upstash/redis` over a transport of ours. Nothing is done behind our back: no telemetry, no pipelining or
 * retries of its own, no guessing what a text means.
 */
export class RestCommands extends Redis {
  /** Digests of scripts that Redis was sent: it knows them from then on, until it is restarted. */
  readonly #known = new Set<string>();

  /** @throws {ImError} CONFIG: the URL or the token is none. */
  constructor(url: string, token: string, transport: Requester) {
    if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
      throw new ImError("CONFIG", "Cannot use Upstash Redis: its URL is no http URL");
    }
    if (!/^[\x21-\x7e]+$/.test(token)) {
      throw new ImError("CONFIG", "Cannot use Upstash Redis: its token is empty, or has spaces in it");
    }
    super({
      url,
      token,
      automaticDeserialization: false,
      enableAutoPipelining: false,
      enableTelemetry: false,
      readYourWrites: false,
      responseEncoding: false,
      latencyLogging: false,
      retry: { retries: 0 },
    });
    this.client = transport;
  }

  /** Sends commands in one request. Gives what came back, a result or an error for each. Scripts go as text where `texts` says so. */
  async run(commands: readonly Command[], texts: readonly { whole: boolean }[]): Promise<unknown> {
    const [first] = commands;
    // hot: what most requests are
    if (first && commands.length === 1 && "mget" in first) return [{ result: await this.mget(...first.mget) }];
    const pipeline = this.pipeline();
    for (const [i, command] of commands.entries()) {
      if ("mget" in command) pipeline.mget(...command.mget);
      else if ("hget" in command) pipeline.hget(...command.hget);
      else if ("script" in command) {
        const { script, keys, args } = command;
        const text = texts[i]!;
        text.whole ||= !this.#known.has(script.digest);
        if (text.whole) pipeline.eval(script.text, [...keys], [...args]);
        else pipeline.evalsha(script.digest, [...keys], [...args]);
        this.#known.add(script.digest);
      } else pipeline.ping();
    }
    return await pipeline.exec({ keepErrors: true });
  }

  forgetScripts(): void {
    this.#known.clear();
  }
}
