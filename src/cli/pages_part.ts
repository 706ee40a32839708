import { Hono } from "hono";
import manifest from "../../package.json" with { type: "json" };
import type { Clock } from "../base/clock.ts";
import type { HttpEnv } from "../comm/ports.ts";
import { type Hmac, makeToken } from "../protocol/claims.ts";
import { pageApp } from "../services/page/app.ts";
import { demoTokenApp } from "../services/page/demo_token.ts";
import { routerApp } from "../services/router/app.ts";
import { localGateways } from "../services/router/local_gateways.ts";
import { pageLoader } from "./load_page.ts";
import type { ServerProcess } from "./server_process.ts";

export interface PagesConfig {
  /** What clients are told in place of the address they asked with. */
  readonly domain?: readonly string[] | undefined;
  readonly origins: readonly string[];
  /** May anybody have a token for any name, as the chat page needs it? Default: no. */
  readonly demo?: boolean | undefined;
}

/**
 * A gateway's own pages: the chat page, tokens for its demo, and which gateway to use, this one.
 * @param hasHealth are `/health`, `/ready` and `/metrics` at the same address?
 */
export function pagesPart(
  { domain, origins, demo = false }: PagesConfig,
  ownName: string,
  hasHealth: boolean,
  hmac: Hmac,
  { runtime, log, clock }: ServerProcess,
): Hono<{ Bindings: HttpEnv }> {
  const app = new Hono<{ Bindings: HttpEnv }>();
  const facts = { version: manifest.version, runtime: `${runtime.name} ${runtime.version}` };
  const files = pageLoader(runtime.bundle, { ...facts, demo: demo ? "on" : "off", health: hasHealth ? "on" : "off" });
  app.route("/", pageApp({ files, log }));
  const sign = (account: string): string => demoToken(account, hmac, clock);
  app.route("/", demoTokenApp({ sign, clock, on: demo, ownName }));
  app.route("/", routerApp({ pick: localGateways(domain ?? []), clock, origins }));
  return app;
}

const DEMO_TOKEN_SECONDS = 24 * 3600;

function demoToken(acc: string, hmac: Hmac, clock: Clock): string {
  return makeToken({ acc, app: "kim", exp: Math.floor(clock.now() / 1000) + DEMO_TOKEN_SECONDS }, hmac);
}
