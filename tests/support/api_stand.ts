import { systemClock } from "../../src/base/clock.ts";
import type { Clock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import type { DownlinkEvents } from "../../src/container/link.ts";
import { MemoryLink } from "../../src/container/memory_link.ts";
import type { Hmac } from "../../src/protocol/claims.ts";
import { Api, type ApiConfig } from "../../src/services/api/api.ts";
import { LogicStand } from "./logic_stand.ts";

export const API_KEY = "a key for the tests, thirty-two bytes or more";
let runs = 0;

/** An answer of the API. */
export interface Told {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
}

/** The HTTP API on a real logic server, over a link in memory that tests may cut. */
export class ApiStand implements AsyncDisposable {
  readonly api: Api;
  readonly logic: LogicStand;
  readonly metrics = new Metrics();
  link: MemoryLink;

  static async start(more: { clock?: Clock; hmac?: Hmac; config?: Partial<ApiConfig> } = {}): Promise<ApiStand> {
    return new ApiStand(await LogicStand.start(), more);
  }

  private constructor(
    logic: LogicStand,
    { clock = systemClock, hmac, config }: { clock?: Clock; hmac?: Hmac; config?: Partial<ApiConfig> },
  ) {
    this.logic = logic;
    const { sessions } = logic;
    this.api = new Api(
      { serviceId: "api01", incarnation: `run${++runs}`, apiKey: API_KEY, version: "1", ...config },
      { clock, log: silent, metrics: this.metrics, sessions, hmac },
    );
    this.link = this.attach();
  }

  /** A link to the logic server, or to whoever is in its place. */
  attach(server: DownlinkEvents = this.logic.logic, logicId = "chat01"): MemoryLink {
    const link = new MemoryLink({ gateId: "api01", logicId }, this.api, server);
    if (server === this.logic.logic) this.logic.logic.attach(link.downlink);
    this.api.attach(link.uplink);
    return this.link = link;
  }

  /** With the key, under `/api/v1/kim/`. */
  async ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Told> {
    const answer = await this.api.app.request(path.startsWith("/") ? path : `/api/v1/kim/${path}`, {
      method,
      headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === "" ? {} : JSON.parse(text), headers: answer.headers };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.api[Symbol.dispose]();
    await this.logic[Symbol.asyncDispose]();
  }
}
