import { systemClock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import { connEnv } from "../../comm/conn_env.ts";
import type { Conn, Dial, Socket, SocketEvents } from "../../comm/ports.ts";
import type { StreamConn } from "../../comm/stream_conn.ts";
import { TcpConn } from "../../comm/tcp_conn.ts";
import { WsConn } from "../../comm/ws_conn.ts";
import { WsOpening } from "../../comm/ws_opening.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { base64 } from "./bytes.ts";
import { maskKeys, randomBytes, wsAccept } from "./crypto.ts";

/** Opens a byte stream. Rejects with the system's error. */
export type Connect = (hostname: string, port: number, events: (socket: Socket) => SocketEvents) => Promise<void>;

/** `tcp://` and `ws://` over one runtime's byte streams. */
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
    connect(to.hostname, to.port, (made) => {
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
    }).catch((cause) => fail(new ImError("CLOSED", `Cannot dial ${url}: nobody answers there`, { cause })));
    return promise;
  };
}

function parse(url: string) {
  const { protocol, hostname, host, port, pathname, search } = new URL(url);
  if (protocol !== "tcp:" && protocol !== "ws:") {
    throw new ImError("CONFIG", `Cannot dial ${url}: only tcp:// and ws:// can be dialled`);
  }
  if (protocol === "tcp:" && port === "") throw new ImError("CONFIG", `Cannot dial ${url}: it names no port`);
  return {
    scheme: protocol === "tcp:" ? "tcp" as const : "ws" as const,
    hostname: hostname.startsWith("[") ? hostname.slice(1, -1) : hostname,
    host,
    port: port === "" ? 80 : Number(port),
    target: pathname + search,
  };
}

const IGNORE: SocketEvents = { data() {}, drained() {}, closed() {} };
