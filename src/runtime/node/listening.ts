import { ImError } from "../../base/errors.ts";
import type { ListenAt, Listening } from "../../comm/ports.ts";

/** One bound address. */
export interface Bound {
  readonly port: number;
  stopAccepting(): void;
  /** Also drops the open connections. */
  dispose(): Promise<void>;
}

/** A free port found on one address may be taken on the other: so often another one is tried. */
const ATTEMPTS = 10;
const NO_SUCH_ADDRESS = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT", "EINVAL"]);

/**
 * Binds every address that a host name stands for, all on one port.
 * @param bind rejects with the system's error, `code` and all.
 * @throws {ImError} CONFIG, naming the port and what to do.
 */
export async function listenOn(
  scheme: "tcp" | "http",
  at: ListenAt,
  bind: (hostname: string, port: number) => Promise<Bound>,
): Promise<Listening> {
  const first = at.hostname === "localhost" ? "127.0.0.1" : unbracketed(at.hostname);
  for (let attempt = 1;; attempt++) {
    const bound = [await bindOne(bind, first, at.port)];
    const { port } = bound[0]!;
    if (at.hostname === "localhost") {
      try {
        bound.push(await bind("::1", port));
      } catch (thrown) {
        if (!NO_SUCH_ADDRESS.has(codeOf(thrown))) {
          await bound[0]!.dispose();
          if (at.port === 0 && codeOf(thrown) === "EADDRINUSE" && attempt < ATTEMPTS) continue;
          throw refusal("::1", port, thrown);
        }
      }
    }
    return {
      url: `${scheme}://${first.includes(":") ? `[${first}]` : first}:${port}`,
      port,
      stopAccepting: () => bound.forEach((one) => one.stopAccepting()),
      [Symbol.asyncDispose]: async () => void await Promise.all(bound.map((one) => one.dispose())),
    };
  }
}

async function bindOne(bind: (hostname: string, port: number) => Promise<Bound>, hostname: string, port: number) {
  try {
    return await bind(hostname, port);
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
    : NO_SUCH_ADDRESS.has(code) || code === "ENOTFOUND"
    ? "this machine has no such address. Choose one of its own, or 0.0.0.0"
    : `${cause instanceof Error ? cause.message : cause}`;
  return new ImError("CONFIG", `Cannot listen on ${hostname} port ${port}: ${why}`, { cause });
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
}

function unbracketed(hostname: string): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}
