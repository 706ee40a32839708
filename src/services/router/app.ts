import { type Context, Hono } from "hono";
import type { Clock } from "../../base/clock.ts";
import type { HttpEnv } from "../../comm/ports.ts";

/** Who asks for a gateway. */
export interface GatewayRequest {
  /** Any text; it only spreads load. Nobody looks at it otherwise, and it is in no log. */
  readonly key: string;
  readonly remoteIp: string;
  /** `chat.example:8000`, as the client wrote it, and whether it came over TLS. */
  readonly host: string;
  readonly secure: boolean;
}

/** What a client is told. */
export interface GatewayChoice {
  /** Country name that was found for the client; `中国` when it is not known. */
  readonly location: string;
  /** URLs of up to three gateways, best first; none when there is none. */
  readonly domains: readonly string[];
}

/** Why a client is told nothing. 403: nobody serves its country; 500: the files do not fit; 503: it may ask again. */
export interface GatewayRefusal {
  readonly status: 403 | 500 | 503;
  readonly code: string;
  readonly message: string;
}

type Answer = GatewayChoice | GatewayRefusal;

/** Chooses gateways: those of this process (local_gateways.ts), or by region (by_region.ts). */
export type PickGateways = (request: GatewayRequest) => Answer | Promise<Answer>;

export interface RouterDeps {
  readonly pick: PickGateways;
  readonly clock: Clock;
  /** Origins whose pages may ask; "*" for all. */
  readonly origins: readonly string[];
}

const METHODS = "GET, HEAD, OPTIONS";

/** `GET /api/lookup/:key`: which gateway to use. Source: proto/WIRE.md "Router". */
export function routerApp({ pick, clock, origins }: RouterDeps): Hono<{ Bindings: HttpEnv }> {
  const app = new Hono<{ Bindings: HttpEnv }>();
  const path = "/api/lookup/:key";
  app.use(path, async (c, next) => {
    await next();
    const origin = c.req.header("origin");
    c.header("cache-control", "no-store");
    if (origins.includes("*")) c.header("access-control-allow-origin", "*");
    else {
      c.header("vary", "origin");
      if (origin !== undefined && origins.includes(origin)) c.header("access-control-allow-origin", origin);
    }
  });
  app.get(path, async (c) => {
    const choice = await pick(requestOf(c));
    if ("status" in choice) {
      const { status, code, message } = choice;
      return c.json({ code, message }, status, status === 503 ? { "retry-after": "1" } : {});
    }
    return c.json({ utc: Math.floor(clock.now() / 1000), location: choice.location, domains: choice.domains });
  });
  app.options(path, (c) => c.body(null, 204, { allow: METHODS, "access-control-allow-methods": METHODS }));
  app.all(path, (c) => {
    const message = "Only GET is possible at /api/lookup/:key";
    return c.json({ code: "METHOD_NOT_ALLOWED", message }, 405, { allow: METHODS });
  });
  app.get(`${path}/`, (c) => c.redirect(`../${encodeURIComponent(c.req.param("key"))}`, 301));
  return app;
}

function requestOf(c: Context<{ Bindings: HttpEnv }>): GatewayRequest {
  return {
    key: c.req.param("key") ?? "",
    remoteIp: c.env.remoteIp,
    host: c.req.header("host") ?? "",
    secure: c.env.secure,
  };
}
