import { type Context, Hono } from "hono";
import { type Clock, sleep } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Counter, Metrics } from "../../base/metrics.ts";
import { readBody } from "../../comm/http_body.ts";
import type { HttpEnv } from "../../comm/ports.ts";
import type { Downward, Uplink, UplinkEvents } from "../../container/link.ts";
import type { RouteTable } from "../../container/route_file.ts";
import { Selector } from "../../container/selector.ts";
import { type Hmac, sameText } from "../../protocol/claims.ts";
import { readText } from "../../protocol/utf8.ts";
import type { SessionStore } from "../../session/store.ts";
import { accountRoutes } from "./accounts.ts";
import { Asks } from "./asks.ts";
import { groupRoutes } from "./groups.ts";
import { messageRoutes } from "./messages.ts";
import { OPENAPI_PATH, openapiOf } from "./openapi.ts";
import { codeOf, problem } from "./problem.ts";
import type { Route } from "./route.ts";

export interface ApiConfig {
  /** Names this process to logic servers: unlike every gateway's and API's. */
  readonly serviceId: string;
  /** One run of the process: a word of letters and digits that never comes again. */
  readonly incarnation: string;
  /** PETREL_API_KEY: callers say `Authorization: Bearer <key>`. */
  readonly apiKey: string;
  /** Of Petrel, for the OpenAPI description. */
  readonly version: string;
  /** Requests at once; more are answered BUSY. Default 1,000. */
  readonly mostAtOnce?: number;
}

export interface ApiDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Zones of logic servers; default: none. */
  readonly routes?: RouteTable | undefined;
  /** Who is online; default: that route answers 501. */
  readonly sessions?: Pick<SessionStore, "locate"> | undefined;
  /** HMAC-SHA256 with the token secret; default: no tokens are made (501). */
  readonly hmac?: Hmac | undefined;
}

type Env = { Bindings: HttpEnv };

const MOST_AT_ONCE = 1_000;
const MOST_BODY_BYTES = 64 << 10;
const SCHEME = "bearer ";

/**
 * The HTTP API: towards logic servers a gateway without clients, towards callers the hono app `app`. Whoever makes its
 * links calls `attach` for each and hands it what comes down. Source: src/docs/api.md.
 */
export class Api implements UplinkEvents, Disposable {
  readonly app: Hono<Env>;
  readonly routes: readonly Route[];
  readonly #config: ApiConfig;
  readonly #deps: ApiDeps;
  readonly #selector: Selector;
  readonly #asks: Asks;
  readonly #refused: Counter;
  #running = 0;
  #stopping = false;

  /** @throws {ImError} CONFIG: the key is empty. */
  constructor(config: ApiConfig, deps: ApiDeps) {
    if (config.apiKey === "") {
      throw new ImError("CONFIG", "Cannot start the API: its key is empty, everybody would have it");
    }
    this.#config = config;
    this.#deps = deps;
    const { clock, metrics, sessions, hmac } = deps;
    const { serviceId: gateId, incarnation, mostAtOnce: most = MOST_AT_ONCE } = config;
    this.#selector = new Selector({ clock, metrics, routes: deps.routes });
    this.#asks = new Asks({ gateId, incarnation, most, selector: this.#selector, clock, metrics });
    this.#refused = metrics.counter("petrel_api_refused_total", "Requests to the HTTP API without the right key");
    metrics.gauge("petrel_api_requests", "Requests to the HTTP API under way", () => this.#running);
    const ask: Asks["ask"] = (request) => this.#asks.ask(request);
    this.routes = [...messageRoutes(ask), ...groupRoutes(ask), ...accountRoutes({ clock, sessions, hmac })];
    this.app = this.#makeApp();
  }

  /** A link to a logic server is up. */
  attach(link: Uplink): void {
    this.#selector.add(link);
    this.#asks.resend();
  }

  down(packet: Downward): void {
    if (packet.gateId === this.#config.serviceId) this.#asks.answered(packet);
  }

  changed(link: Uplink): void {
    this.#selector.changed();
    if (link.state !== "closed") return;
    this.#selector.remove(link);
    this.#asks.lost(link);
  }

  /** For /ready: undefined when requests can be answered, else why not. */
  problem(): string | undefined {
    if (this.#stopping) return "it stops";
    return this.#selector.pick("", "", "json") ? undefined : "no logic server";
  }

  /** Before a stop: new requests are refused (503), those under way are answered, for at most `waitMs`. */
  async quiesce(waitMs: number): Promise<void> {
    this.#stopping = true;
    const { clock } = this.#deps;
    const until = clock.mono() + waitMs;
    while (this.#running > 0 && clock.mono() < until) await sleep(clock, 20);
  }

  [Symbol.dispose](): void {
    this.#stopping = true;
    this.#asks[Symbol.dispose]();
  }

  #makeApp(): Hono<Env> {
    const app = new Hono<Env>();
    let described: Record<string, unknown> | undefined;
    app.get(OPENAPI_PATH, (c) => c.json(described ??= openapiOf(this.routes, this.#config.version)));
    app.use("/api/v1/*", async (c, next) => {
      if (!this.#mayAsk(c.req.header("authorization"))) {
        this.#refused.inc();
        return problem(c, "UNAUTHORIZED", "Say who you are: Authorization: Bearer <PETREL_API_KEY>", {
          "www-authenticate": "Bearer",
        });
      }
      await next();
      c.header("cache-control", "no-store");
    });
    const methods = Map.groupBy(this.routes, ({ path }) => path);
    for (const [path, routes] of methods) {
      for (const route of routes) app.on(route.method, path, this.#handler(route));
      const allow = routes.map(({ method }) => method).join(", ");
      app.all(path, (c) => problem(c, "METHOD_NOT_ALLOWED", `Only ${allow} is possible at ${path}`, { allow }));
    }
    app.all("/api/v1/*", (c) => problem(c, "NOT_FOUND", `Nothing is there; ${OPENAPI_PATH} lists what is`));
    return app;
  }

  #handler(route: Route): (c: Context<Env>) => Promise<Response> {
    const { clock, log, metrics } = this.#deps;
    const { method, path, status } = route;
    const measured = metrics.histogram("petrel_api_seconds", "Time of a request to the HTTP API", { method, path });
    const { mostAtOnce = MOST_AT_ONCE } = this.#config;
    return async (c) => {
      if (this.#stopping) return problem(c, "BUSY", "Cannot answer: this server stops");
      if (this.#running >= mostAtOnce) return problem(c, "BUSY", "Cannot answer: too many requests at once");
      const started = clock.mono();
      this.#running++;
      try {
        checkUrl(c);
        const body = route.body ? await bodyOf(c) : undefined;
        if (body instanceof Response) return body;
        const answer = await route.handle({ params: c.req.param(), query: queryOf(c), body });
        return status === 204 ? c.body(null, 204) : c.json(answer ?? {}, status);
      } catch (thrown) {
        const code = codeOf(thrown);
        const error = ImError.from(thrown);
        if (code === "SYSTEM") log.warn("api request failed", { method, path, error });
        return problem(c, code, error.code === "SYSTEM" ? "Cannot do this now: try again" : error.message);
      } finally {
        this.#running--;
        measured.observe((clock.mono() - started) / 1000);
      }
    };
  }

  #mayAsk(header: string | undefined): boolean {
    const said = header ?? "";
    const isKey = sameText(said.slice(SCHEME.length), this.#config.apiKey);
    return isKey && said.slice(0, SCHEME.length).toLowerCase() === SCHEME;
  }
}

/** What cannot be decoded would be taken for the text itself. @throws {ImError} INVALID_BODY */
function checkUrl(c: Context<Env>): void {
  try {
    decodeURIComponent(c.req.url);
  } catch (cause) {
    throw new ImError("INVALID_BODY", "Cannot read path or query: a % is not followed by UTF-8 in hex", { cause });
  }
}

/** @throws {ImError} INVALID_BODY: which of two values counts is not to be guessed. */
function queryOf(c: Context<Env>): Record<string, string> {
  const twice = Object.entries(c.req.queries()).find(([, values]) => values.length > 1);
  if (twice) throw new ImError("INVALID_BODY", `Cannot read query: ${twice[0].slice(0, 60)} comes twice`);
  return c.req.query();
}

/** The JSON in a request's body, or what is wrong with it. @throws {ImError} FRAME_TOO_LARGE, INVALID_BODY */
async function bodyOf(c: Context<Env>): Promise<unknown> {
  const type = c.req.header("content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  if (type !== "application/json") return problem(c, "UNSUPPORTED_TYPE", "Cannot read body: expected application/json");
  const bytes = await readBody(c.req.raw, MOST_BODY_BYTES);
  try {
    return JSON.parse(readText(bytes, 0, bytes.length) ?? "");
  } catch (cause) {
    throw new ImError("INVALID_BODY", "Cannot read body: it is no JSON", { cause });
  }
}
