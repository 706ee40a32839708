import { Hono } from "hono";
import type { Accept, HttpEnv } from "../../comm/ports.ts";

/** Who may connect. */
export interface UpgradeOptions {
  /** Origins that browsers may come from; "*" for all. */
  readonly origins: readonly string[];
  /** Takes a new connection from `ip:port`; undefined when no more are wanted now (draining, or too many from that address). */
  readonly accept: (remote: string) => Accept | undefined;
}

/**
 * WebSocket upgrades on any path. A request that is no upgrade goes on to the next route. Refusals as RFC 6455
 * section 4.2 and proto/WIRE.md "WebSocket" say: 400, 403, 405, 426, 503.
 */
export function upgradeRoute(options: UpgradeOptions): Hono<{ Bindings: HttpEnv }> {
  const app = new Hono<{ Bindings: HttpEnv }>();
  app.use("*", async (c, next) => {
    const request = c.req.raw;
    if (!wantsUpgrade(request.headers)) return next();
    if (request.method !== "GET") return c.text("Cannot upgrade: the method must be GET\n", 405, { allow: "GET" });
    if (
      !hasToken(request.headers.get("upgrade"), "websocket") || !hasToken(request.headers.get("connection"), "upgrade")
    ) {
      return c.text("Cannot upgrade: headers must say Upgrade: websocket and Connection: Upgrade\n", 400);
    }
    const version = request.headers.get("sec-websocket-version");
    if (version === null) return c.text("Cannot upgrade: Sec-WebSocket-Version is missing\n", 400);
    if (version !== "13") {
      return c.text("Cannot upgrade: the WebSocket version must be 13\n", 426, { "sec-websocket-version": "13" });
    }
    if (!isKey(request.headers.get("sec-websocket-key"))) {
      return c.text("Cannot upgrade: Sec-WebSocket-Key must be 16 bytes in base64\n", 400);
    }
    const origin = request.headers.get("origin");
    if (origin !== null && !options.origins.includes("*") && !options.origins.includes(origin)) {
      return c.text("Cannot upgrade: this origin is not allowed\n", 403);
    }
    const accept = options.accept(c.env.remote);
    if (!accept) return c.text("Cannot upgrade: no more connections are taken now\n", 503, { "retry-after": "5" });
    return c.env.upgrade(request, accept);
  });
  return app;
}

function wantsUpgrade(headers: Headers): boolean {
  return hasToken(headers.get("upgrade"), "websocket") || headers.has("sec-websocket-key");
}

function hasToken(value: string | null, token: string): boolean {
  return value?.split(",").some((one) => one.trim().toLowerCase() === token) ?? false;
}

/** 22 characters and `==`: the base64 of 16 bytes. */
function isKey(key: string | null): boolean {
  return key !== null && /^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key);
}
