import manifest from "../../package.json" with { type: "json" };
import type { RouteTable } from "../container/route_file.ts";
import type { Hmac } from "../protocol/claims.ts";
import { Api } from "../services/api/api.ts";
import type { SessionStore } from "../session/store.ts";
import type { ServerProcess } from "./server_process.ts";

export interface ApiPartConfig {
  readonly serviceId: string;
  readonly incarnation: string;
  readonly apiKey: string;
  /** Who is online; default: that is not told. */
  readonly sessions?: SessionStore | undefined;
  /** With the token secret; default: no tokens are made. */
  readonly hmac?: Hmac | undefined;
  /** Zones of chat servers; default: they do not matter. */
  readonly zones?: RouteTable | undefined;
}

/** Requests under way get this long to be answered at a stop. */
const ANSWERS_MS = 5_000;

/** The HTTP API, but not its links and its listener. Disposing answers what is under way. */
export class ApiPart implements AsyncDisposable {
  readonly api: Api;

  constructor({ serviceId, incarnation, apiKey, sessions, hmac, zones }: ApiPartConfig, host: ServerProcess) {
    const { clock, log, metrics } = host;
    const own = { serviceId, incarnation, apiKey, version: manifest.version };
    this.api = new Api(own, { clock, log, metrics, sessions, hmac, routes: zones });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api.quiesce(ANSWERS_MS);
    this.api[Symbol.dispose]();
  }
}
