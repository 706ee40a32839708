import * as runtime from "#runtime";
import { silent } from "../../src/base/logger.ts";
import { type DevConfig, type DevSystem, startDev } from "../../src/cli/dev_system.ts";
import { signToken } from "../../src/load/token.ts";
import { WireClient, type WireClientOptions } from "../../src/load/wire_client.ts";
import type { LoginOptions } from "../../src/load/wire_login.ts";
import { type TempDir, tempDir } from "../support/temp.ts";

export type Transport = "ws" | "tcp";
export const TRANSPORTS = ["ws", "tcp"] as const;
export const SECRET = "a secret of the tests, thirty-two bytes";
/** What our clients announce. */
export const CAPS: ReadonlyMap<string, string> = new Map([["im.caps", "1"]]);

const LOOPBACK = { hostname: "127.0.0.1", port: 0 } as const;

/** A whole dev system in this process, on free ports and a folder of its own. */
export class LocalSystem implements AsyncDisposable {
  system!: DevSystem;
  readonly data: TempDir;
  readonly #config: Partial<DevConfig>;
  #names = 0;

  protected constructor(data: TempDir, config: Partial<DevConfig>) {
    this.data = data;
    this.#config = config;
  }

  static async start(config: Partial<DevConfig> = {}): Promise<LocalSystem> {
    const made = new LocalSystem(await tempDir(), config);
    await made.restart();
    return made;
  }

  /** Stops the system, if one runs, and starts another one on the same data. */
  async restart(): Promise<void> {
    await this.system?.[Symbol.asyncDispose]();
    const config: DevConfig = {
      http: LOOPBACK,
      tcp: LOOPBACK,
      data: this.data.in("data"),
      sync: "full",
      secret: SECRET,
      serviceId: "gate01",
      node: 0,
      devices: 16,
      messageRate: 0,
      connectionsPerIp: 0,
      origins: ["*"],
      drainMs: 100,
      fault: "",
      ...this.#config,
    };
    this.system = await startDev(config, runtime, silent);
  }

  get ws(): string {
    return this.system.ws;
  }
  get tcp(): string {
    return this.system.tcp;
  }
  readonly token = (account: string, seconds = 3600): string =>
    signToken(SECRET, { acc: account, app: "kim", exp: Date.now() / 1000 + seconds });

  /** An account nobody has used yet. */
  name(role: string): string {
    return `${role}-${++this.#names}`;
  }

  /** Connected, not logged in. */
  open(transport: Transport, options?: WireClientOptions): Promise<WireClient> {
    return WireClient.open(this[transport], options);
  }

  login(transport: Transport, account: string, options?: WireClientOptions & LoginOptions): Promise<WireClient> {
    return WireClient.login(this[transport], this.token(account), options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.system?.[Symbol.asyncDispose]();
    await this.data[Symbol.asyncDispose]();
  }
}
