import { systemClock } from "../../base/clock.ts";
import { ImError, reasonOf } from "../../base/errors.ts";
import { connEnv } from "../../comm/conn_env.ts";
import type { Conn, Dial, Socket, SocketEvents } from "../../comm/ports.ts";
import type { ConnEnv, StreamConn } from "../../comm/stream_conn.ts";
import { TcpConn } from "../../comm/tcp_conn.ts";
import { WsConn } from "../../comm/ws_conn.ts";
import { WsOpening } from "../../comm/ws_opening.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { base64 } from "./bytes.ts";
import { maskKeys, randomBytes, wsAccept } from "./crypto.ts";
import { codeOf } from "./bound.ts";
import { unixPath } from "./unix_socket.ts";

/** Where a byte stream leads, and how. */
export interface ConnectTo {
  readonly place: { readonly hostname: string; readonly port: number } | { readonly unix: string };
  /** With TLS: PEM authorities other than the usual ones, and the name that the certificate must be for. */
  readonly tls: { readonly ca?: string; readonly serverName: string } | undefined;
  readonly env: ConnEnv;
  readonly timeoutMs: number;
}

/** Opens a byte stream; one with TLS after its handshake. Rejects with the system's error. */
export type Connect = (to: ConnectTo, events: (socket: Socket) => SocketEvents) => Promise<void>;

/** Every kind of URL that ports.ts `Dial` names, over one runtime's byte streams. */
export function dialWith(connect: Connect): Dial {
  const keys = maskKeys();
  return (url, accept, options = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<Conn>();
    const to = parse(url);
    const env = connEnv(options);
    const frameBytes = LIMITS.link.frameBytes;
    let over = false;
    let socket: Socket | undefined;
    const fail = (error: ImError) => {
      if (over) return;
      over = true;
      limit.stop();
      socket?.destroy();
      reject(error);
    };
    const opened = (conn: StreamConn): StreamConn => {
      over = true;
      limit.stop();
      conn.begin(accept);
      resolve(conn);
      return conn;
    };
    const timeoutMs = options.timeoutMs ?? 10_000;
    const limit = (options.clock ?? systemClock).after(
      timeoutMs,
      () => fail(new ImError("TIMEOUT", `Cannot dial ${url}: no connection in ${timeoutMs} ms`)),
    );
    const tls = to.tls ? { serverName: to.serverName, ...(options.ca !== undefined && { ca: options.ca }) } : undefined;
    connect({ place: to.place, tls, env, timeoutMs }, (made) => {
      if (over) { // came too late
        made.destroy();
        return IGNORE;
      }
      socket = made;
      if (to.scheme === "tcp") return opened(new TcpConn(made, env, frameBytes));
      const key = base64(randomBytes(16));
      const opening = new WsOpening(made, { host: to.host, target: to.target, key, accept: wsAccept(key) }, {
        opened: () => over ? IGNORE : opened(new WsConn(made, env, frameBytes, keys)),
        refused: fail,
      });
      opening.begin();
      return opening;
    }).catch((cause) => fail(new ImError("CLOSED", `Cannot dial ${url}: ${wordsFor(cause)}`, { cause })));
    return promise;
  };
}

function parse(url: string) {
  const parsed = new URL(url);
  const { protocol, hostname, host, port, pathname, search } = parsed;
  const kind = KINDS[protocol];
  if (!kind) {
    throw new ImError("CONFIG", `Cannot dial ${url}: expected ws://, wss://, tcp://, tls://, ws+unix: or tcp+unix:`);
  }
  if ("unix" in kind) {
    const place = { unix: unixPath(parsed) };
    return { ...kind, tls: false, place, host: "localhost", serverName: "", target: "/" };
  }
  if (kind.port === undefined && port === "") throw new ImError("CONFIG", `Cannot dial ${url}: it names no port`);
  const name = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  const place = { hostname: name, port: port === "" ? kind.port! : Number(port) };
  return { ...kind, place, host, serverName: name, target: pathname + search };
}

const KINDS: Readonly<Record<string, Kind>> = {
  "ws:": { scheme: "ws", tls: false, port: 80 },
  "wss:": { scheme: "ws", tls: true, port: 443 },
  "tcp:": { scheme: "tcp", tls: false, port: undefined },
  "tls:": { scheme: "tcp", tls: true, port: undefined },
  "ws+unix:": { scheme: "ws", unix: true },
  "tcp+unix:": { scheme: "tcp", unix: true },
};

type Kind =
  | { readonly scheme: "ws" | "tcp"; readonly tls: boolean; readonly port: number | undefined }
  | { readonly scheme: "ws" | "tcp"; readonly unix: true };

/** The handshake's refusals are worth telling: a person can mend them. Source: node:tls and both runtimes' messages. */
function wordsFor(cause: unknown): string {
  const code = codeOf(cause);
  const text = reasonOf(cause);
  if (/CERT|ALTNAME|SIGNATURE|ISSUER|SELF_SIGNED|certificate/i.test(`${code} ${text}`)) {
    return `its certificate is refused: ${text}`;
  }
  if (/SSL|TLS|PROTO/i.test(`${code} ${text}`)) return `it does not speak TLS there: ${text}`;
  return "nobody answers there";
}

const IGNORE: SocketEvents = { data() {}, drained() {}, closed() {} };
