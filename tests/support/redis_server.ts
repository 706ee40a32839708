import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Child, start } from "./processes.ts";
import { type TempDir, tempDir } from "./temp.ts";

/** Why no redis-server can be started here, for skipped tests; undefined: one can. */
export function whyNoRedis(): string | undefined {
  const found = (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, "redis-server")));
  return found ? undefined : "no redis-server here (Debian: apt-get install redis-server)";
}

/**
 * A redis-server of this test alone, on a unix socket in a temporary folder; it keeps nothing on disk. Disposing kills it; when
 * this process dies, the server does too.
 */
export class RedisServer implements AsyncDisposable {
  /** Its unix socket. */
  readonly path: string;
  readonly #folder: TempDir;
  #child: Child | undefined;

  readonly #settings: readonly string[];

  private constructor(folder: TempDir, settings: readonly string[]) {
    this.#folder = folder;
    this.#settings = settings;
    this.path = folder.in("redis.sock");
  }

  /** A new one, running. @param settings more of its options: `--requirepass`, `x`. @throws when there is no such program (`whyNoRedis`). */
  static async start(settings: readonly string[] = []): Promise<RedisServer> {
    const server = new RedisServer(await tempDir(), settings);
    try {
      await server.resume();
      return server;
    } catch (thrown) {
      await server[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  get pid(): number {
    if (!this.#child) throw new Error("Redis does not run");
    return this.#child.pid;
  }

  /** Starts it again, empty, at the same place. */
  async resume(): Promise<void> {
    const child = await start("redis-server", [
      ...["--port", "0", "--unixsocket", this.path, "--unixsocketperm", "700", "--dir", this.#folder.path],
      ...["--save", "", "--appendonly", "no", ...this.#settings],
    ]);
    this.#child = child;
    await child.find(/ready to accept connections at/i);
  }

  /** kill -9: all it knew is gone. */
  async kill(): Promise<void> {
    await this.#child?.kill();
    this.#child = undefined;
  }

  /** Stops it in its tracks: connections stay, nothing is answered. */
  pause(): void {
    process.kill(this.pid, "SIGSTOP");
  }

  /** It goes on after `pause`. */
  unpause(): void {
    process.kill(this.pid, "SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#folder[Symbol.asyncDispose]();
  }
}
