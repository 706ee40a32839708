import { readFileSync } from "node:fs";
import { ImError } from "../base/errors.ts";
import { ConsulNaming } from "../naming/consul.ts";
import type { Naming } from "../naming/naming.ts";
import { openStaticNaming } from "../naming/static.ts";
import { UpstashNaming } from "../naming/upstash.ts";
import type { Leases } from "../session/leases.ts";
import type { SessionStore } from "../session/store.ts";
import { UpstashSessionStore } from "../session/upstash.ts";
import { UpstashLeases } from "../session/upstash_leases.ts";
import { Upstash } from "../upstash/client.ts";
import type { NamingChoice } from "./cluster_settings.ts";
import type { ServerProcess } from "./server_process.ts";

export interface SharedConfig {
  /** Default: Upstash Redis where it is given, else nowhere. */
  readonly naming?: NamingChoice | undefined;
  readonly consulHttpToken?: string | undefined;
  readonly upstashRedisRestUrl?: string | undefined;
  readonly upstashRedisRestToken?: string | undefined;
}

/** What the processes of a cluster share. */
export interface Shared extends AsyncDisposable {
  /** Undefined: this process finds nobody and is not found. */
  readonly naming: Naming | undefined;
  /** Undefined: there are none, and no session store either. */
  readonly leases: Leases | undefined;
  /**
   * Belongs to what is shared: disposed with it. @param devices that one account may have online.
   * @throws {ImError} CONFIG: there is no place for sessions.
   */
  sessions(devices: number): SessionStore;
  /** Why it cannot be reached, in words. */
  problem?(): string | undefined;
}

/** Opens what the settings name; nothing is waited for. @throws {ImError} CONFIG */
export async function openShared(config: SharedConfig, host: ServerProcess): Promise<Shared> {
  const { clock, log, metrics } = host;
  const { upstashRedisRestUrl: url, upstashRedisRestToken: token = "" } = config;
  await using stack = new AsyncDisposableStack();
  const upstash = url === undefined ? undefined : stack.use(new Upstash({ url, token, clock, log, metrics }));
  const naming = openNaming(config.naming ?? (upstash && { kind: "upstash" }), config.consulHttpToken, upstash, host);
  if (naming) stack.use(naming);
  const running = stack.move();
  return {
    naming,
    leases: upstash && new UpstashLeases(upstash),
    sessions(devices) {
      if (upstash) return running.use(new UpstashSessionStore(upstash, { devices }));
      throw new ImError("CONFIG", "Cannot keep sessions: UPSTASH_REDIS_REST_URL is needed");
    },
    problem: () => upstash?.problem,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** @throws {ImError} CONFIG */
function openNaming(
  choice: NamingChoice | undefined,
  consulToken: string | undefined,
  upstash: Upstash | undefined,
  { clock, log }: ServerProcess,
): Naming | undefined {
  if (choice === undefined) return undefined;
  if (choice.kind === "static") return openStaticNaming(choice.list, (path) => readFileSync(path, "utf8"), log);
  if (choice.kind === "consul") return new ConsulNaming({ url: choice.url, token: consulToken, clock, log });
  if (choice.kind === "upstash" && upstash) return new UpstashNaming(upstash);
  throw new ImError("CONFIG", `Cannot find others: ${choice.kind} cannot be used here`);
}
