import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Clock } from "../../base/clock.ts";
import type { HttpEnv } from "../../comm/ports.ts";
import { isName } from "../../protocol/names.ts";
import { notOurs } from "./own_address.ts";
import { RateLimiter } from "./rate_limiter.ts";

export interface DemoTokenDeps {
  /** Makes a token for an account of the demo's app. */
  readonly sign: (account: string) => string;
  readonly clock: Clock;
  /** Is the demo on? */
  readonly on: boolean;
  /** The name in the server's own address; addresses and localhost are always its own. */
  readonly ownName: string;
}

const BODY_BYTES = 1 << 10;
/** Per client address: so many at once, then so many a second. */
const BURST = 100;
const PER_SECOND = 10;

/**
 * `POST /demo/token` {account} → {token}: everybody who reaches it may be anybody, so it is for demonstrations on one's
 * own machine. Only for our own page and for programs that are no browser; no CORS headers. Refusals: 400 no legal
 * name, 403 off or not ours, 413, 415, 429.
 */
export function demoTokenApp(deps: DemoTokenDeps): Hono<{ Bindings: HttpEnv }> {
  const app = new Hono<{ Bindings: HttpEnv }>();
  const limiter = new RateLimiter(deps.clock, { burst: BURST, perSecond: PER_SECOND, most: 10_000 });
  const path = "/demo/token";
  app.use(path, async (c, next) => {
    c.header("cache-control", "no-store");
    c.header("x-content-type-options", "nosniff");
    await next();
  });
  app.post(
    path,
    bodyLimit({ maxSize: BODY_BYTES, onError: (c) => c.json(refusal("TOO_LARGE", "the body is too large"), 413) }),
    async (c) => {
      if (!deps.on) return c.json(refusal("DEMO_OFF", "the demo is off, see PETREL_DEMO"), 403);
      const foreign = notOurs({
        host: c.req.header("host"),
        origin: c.req.header("origin"),
        site: c.req.header("sec-fetch-site"),
      }, deps.ownName);
      if (foreign !== undefined) return c.json(refusal("FORBIDDEN", foreign), 403);
      if (!/^application\/json *(;|$)/i.test(c.req.header("content-type") ?? "")) {
        return c.json(refusal("NOT_JSON", "the content type must be application/json"), 415);
      }
      if (!limiter.take(c.env.remoteIp)) {
        return c.json(refusal("BUSY", "too many at once"), 429, { "retry-after": "1" });
      }
      const account = accountIn(await c.req.text());
      if (account === undefined) return c.json(refusal("INVALID_NAME", NAME), 400);
      return c.json({ token: deps.sign(account) });
    },
  );
  app.all(
    path,
    (c) => c.json({ code: "METHOD_NOT_ALLOWED", message: "Only POST is possible" }, 405, { allow: "POST" }),
  );
  return app;
}

const NAME = "account must be a name: 1 to 60 characters, no spaces, none of , / | :";

function refusal(code: string, why: string): { code: string; message: string } {
  return { code, message: `Cannot make a token: ${why}` };
}

function accountIn(text: string): string | undefined {
  try {
    const body: unknown = JSON.parse(text);
    const account = typeof body === "object" && body !== null && "account" in body ? body.account : undefined;
    return typeof account === "string" && isName(account) ? account : undefined;
  } catch { // not JSON: the answer says what it should be
    return undefined;
  }
}
