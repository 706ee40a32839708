import { parseIp } from "./ip_range.ts";
import type { Accept, Fetch, HttpEnv } from "./ports.ts";
import { ipOf, remoteOf } from "./remote.ts";

/**
 * Who is behind the proxies: from the peer on through X-Forwarded-For from its right end, the first address that is no
 * trusted proxy. An entry that is no address ends the walk, with the last address that is known. A port that is not told
 * is 0. Only what trusted proxies say counts, so that a client cannot choose its address.
 */
export function clientBehind(peer: string, forwardedFor: string | null, isProxy: (ip: string) => boolean): string {
  let known = peer;
  const entries = forwardedFor?.split(",") ?? [];
  while (entries.length > 0 && isProxy(ipOf(known))) {
    const next = parseEntry(entries.pop()!.trim());
    if (next === undefined) break;
    known = next;
  }
  return known;
}

/** The routes behind this see the client, and whether it came over TLS, in place of a trusted proxy. */
export function behindProxies(isProxy: (ip: string) => boolean, routes: Fetch): Fetch {
  return (request, env) => routes(request, isProxy(env.remoteIp) ? new ForwardedEnv(env, request, isProxy) : env);
}

class ForwardedEnv implements HttpEnv {
  readonly remote: string;
  readonly secure: boolean;
  readonly #env: HttpEnv;

  constructor(env: HttpEnv, { headers }: Request, isProxy: (ip: string) => boolean) {
    this.#env = env;
    this.remote = clientBehind(env.remote, headers.get("x-forwarded-for"), isProxy);
    // The first of several is what the client used.
    const proto = (headers.get("x-forwarded-proto") ?? "").split(",")[0]!.trim().toLowerCase();
    this.secure = proto === "https" || proto === "wss" || (proto !== "http" && proto !== "ws" && env.secure);
  }

  get remoteIp(): string {
    return ipOf(this.remote);
  }

  upgrade(request: Request, accept: Accept): Response {
    return this.#env.upgrade(request, accept);
  }
}

/** `203.0.113.7`, `203.0.113.7:51234`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:51234`, perhaps in quotes. */
function parseEntry(text: string): string | undefined {
  const bare = text.replace(/^"(.*)"$/, "$1");
  const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(bare) ?? [];
  const ip = v6 ?? v4 ?? bare;
  const number = Number(port ?? 0);
  return parseIp(ip) && number < 65_536 ? remoteOf(ip.toLowerCase(), number) : undefined;
}
