import { ImError, reasonOf } from "../../base/errors.ts";
import type { ListenAt, Listening } from "../../comm/ports.ts";
import { type Bind, type Bound, codeOf } from "./bound.ts";
import { bindUnix, unixUrl } from "./unix_socket.ts";

/** From the accepted stream to the end of its TLS handshake. */
export const HANDSHAKE_MS = 5_000;
/** A free port found on one address may be taken on the other: so often another one is tried. */
const ATTEMPTS = 10;
const NO_SUCH_ADDRESS = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT", "EINVAL"]);
/** The name stands for no address at all: the first on Bun, the second on Deno. */
const NO_SUCH_NAME = new Set(["ENOENT", "ENOTFOUND"]);

/**
 * Binds every address that a host name stands for, all on one port, or a unix socket.
 * @throws {ImError} CONFIG, naming the port or path and what to do.
 */
export async function listenOn(scheme: "tcp" | "http", at: ListenAt, bind: Bind): Promise<Listening> {
  const { reusePort = false } = at;
  if (at.unix !== undefined) return listening(`${scheme}+${unixUrl(at.unix)}`, [await bindUnix(at.unix, at, bind)]);
  const first = at.hostname === "localhost" ? "127.0.0.1" : unbracketed(at.hostname);
  for (let attempt = 1;; attempt++) {
    const bound = [await bindOne(bind, first, at)];
    const { port } = bound[0]!;
    if (at.hostname === "localhost") {
      try {
        bound.push(await bind({ hostname: "::1", port, reusePort, tls: at.tls }));
      } catch (thrown) {
        if (!NO_SUCH_ADDRESS.has(codeOf(thrown))) {
          await bound[0]!.dispose();
          if (at.port === 0 && codeOf(thrown) === "EADDRINUSE" && attempt < ATTEMPTS) continue;
          throw refusal("::1", port, thrown);
        }
      }
    }
    const shown = at.tls ? { tcp: "tls", http: "https" }[scheme] : scheme;
    return listening(`${shown}://${first.includes(":") ? `[${first}]` : first}:${port}`, bound);
  }
}

function listening(url: string, bound: readonly Bound[]): Listening {
  return {
    url,
    port: bound[0]!.port,
    stopAccepting: () => bound.forEach((one) => one.stopAccepting()),
    [Symbol.asyncDispose]: async () => void await Promise.all(bound.map((one) => one.dispose())),
  };
}

async function bindOne(bind: Bind, hostname: string, { port, tls, reusePort = false }: ListenAt): Promise<Bound> {
  try {
    return await bind({ hostname, port, reusePort, tls });
  } catch (thrown) {
    throw refusal(hostname, port, thrown);
  }
}

function refusal(hostname: string, port: number, cause: unknown): ImError {
  const code = codeOf(cause);
  const why = code === "EADDRINUSE"
    ? "the port is taken. Stop what listens there, or choose another port"
    : code === "EACCES"
    ? "not allowed. Choose a port above 1023, or give this process the right"
    : NO_SUCH_ADDRESS.has(code) || NO_SUCH_NAME.has(code)
    ? "this machine has no such address. Choose one of its own, or 0.0.0.0"
    : reasonOf(cause);
  return new ImError("CONFIG", `Cannot listen on ${hostname} port ${port}: ${why}`, { cause });
}

function unbracketed(hostname: string): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}
