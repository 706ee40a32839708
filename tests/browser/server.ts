import process from "node:process";
import { type ServerProcess, startServer } from "../../src/load/server_process.ts";
import { signToken } from "../../src/load/token.ts";
import { ROOT, RUNTIME } from "../support/processes.ts";
import { type TempDir, tempDir } from "../support/temp.ts";

/** What a server of these tests may be told, beside its ports and data. */
export interface DevServerOptions {
  readonly env?: Readonly<Record<string, string>>;
}

const SECRET = "a secret of the browser tests, thirty-two bytes";

/** `petrel dev` as a process of the runtime these tests run on, with its own ports and data, which it keeps. */
export class DevServer implements AsyncDisposable {
  readonly #data: TempDir;
  readonly #options: DevServerOptions;
  #process: ServerProcess;

  private constructor(data: TempDir, options: DevServerOptions, running: ServerProcess) {
    this.#data = data;
    this.#options = options;
    this.#process = running;
  }

  static async start(options: DevServerOptions = {}): Promise<DevServer> {
    const data = await tempDir();
    return new DevServer(data, options, await launch(ROOT, data, options));
  }

  /** Its data folder. */
  get data(): string {
    return this.#data.in("data");
  }

  get port(): number {
    return this.#process.ports.http;
  }

  get http(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get ws(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  /** A login token that is valid for so many seconds from now; below 0: that ran out so long ago. */
  token(account: string, seconds = 3_600): string {
    return signToken(SECRET, { acc: account, app: "kim", exp: Math.floor(Date.now() / 1_000) + seconds });
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#process.kill();
  }

  /** SIGTERM, and waits for the end. */
  async stop(): Promise<void> {
    await this.#process.stop();
  }

  /** Starts it again on the same ports and data; `root`: another copy of the project, ending with a slash. */
  async start(root = ROOT): Promise<void> {
    this.#process = await launch(root, this.#data, this.#options, this.#process.ports);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.kill();
    await this.#data[Symbol.asyncDispose]();
  }
}

function launch(
  root: string,
  data: TempDir,
  { env }: DevServerOptions,
  ports?: ServerProcess["ports"],
): Promise<ServerProcess> {
  const run = RUNTIME === "deno" ? ["run", "-A", "--no-check", "--config", `${root}deno.json`] : [];
  const words = [process.execPath, ...run, `${root}src/cli/main.ts`, "dev"];
  const command = words.map((word) => `'${word}'`).join(" ");
  return startServer({ command, secret: SECRET, dataDir: data.in("data"), ports, ...(env ? { env } : {}) });
}
