import { ImError } from "../../base/errors.ts";
import { connEnv } from "../../comm/conn_env.ts";
import type { Accept, ConnOptions, Dial, ListenAt, Listening, ListenTcp, SocketEvents } from "../../comm/ports.ts";
import type { ConnEnv, StreamConn } from "../../comm/stream_conn.ts";
import { TcpConn } from "../../comm/tcp_conn.ts";
import { WsConn } from "../../comm/ws_conn.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { pipe, type PipeEnd, type PipeOptions } from "./pipe.ts";

/** `clock` and `log` are for those who listen or dial without their own. */
export type MemoryNetOptions = PipeOptions & ConnOptions;

/**
 * A network inside the process: the connections of comm/ over pipes instead of sockets. WebSockets begin after the
 * handshake. Ports are this network's own; nothing is shared between two of them.
 */
export class MemoryNet {
  readonly #options: MemoryNetOptions;
  readonly #listening = new Map<number, Listener>();
  #ports = 40_000;
  #keys = 0x12345678;

  constructor(options: MemoryNetOptions = {}) {
    this.#options = options;
  }

  readonly listenTcp: ListenTcp = (at, accept) => this.#listen("tcp", at, accept);

  /** As `listenTcp`, for WebSockets. */
  readonly listenWs: ListenTcp = (at, accept) => this.#listen("ws", at, accept);

  readonly dial: Dial = (url, events, options = {}) => {
    const env = this.#env(options);
    let conn!: StreamConn;
    this.open(url, (socket) => {
      conn = url.startsWith("ws:")
        ? new WsConn(socket, env, LIMITS.link.frameBytes, () => this.#maskKey())
        : new TcpConn(socket, env, LIMITS.link.frameBytes);
      conn.begin(events);
      return conn;
    });
    return Promise.resolve(conn);
  };

  /** The raw end of a new connection to what listens there. @throws {ImError} CLOSED when nothing does. */
  open(url: string, events: (socket: PipeEnd) => SocketEvents): PipeEnd {
    const port = Number(url.slice(url.lastIndexOf(":") + 1).replace(/\/.*/, ""));
    const listener = this.#listening.get(port);
    if (!listener?.accepting) throw new ImError("CLOSED", `Cannot dial ${url}: nobody listens there`);
    const [far, near] = pipe(this.#options, [`127.0.0.1:${++this.#ports}`, `127.0.0.1:${port}`]);
    near.events = IGNORE; // until both ends have an owner
    const conn = listener.kind === "ws" ? new WsConn(far, listener.env) : new TcpConn(far, listener.env);
    listener.open.add(far);
    far.events = new Listed(conn, () => listener.open.delete(far));
    near.events = events(near);
    conn.begin(listener.accept);
    return near;
  }

  #env(options: ConnOptions): ConnEnv {
    return connEnv({ ...this.#options, ...options });
  }

  #listen(kind: "tcp" | "ws", at: ListenAt, accept: Accept): Promise<Listening> {
    const port = at.port || ++this.#ports;
    if (this.#listening.has(port)) {
      return Promise.reject(new ImError("CONFIG", `Cannot listen on port ${port}: it is taken`));
    }
    const listener: Listener = { kind, accept, env: this.#env(at), accepting: true, open: new Set() };
    this.#listening.set(port, listener);
    const stopAccepting = () => {
      listener.accepting = false;
      if (this.#listening.get(port) === listener) this.#listening.delete(port);
    };
    return Promise.resolve({
      url: `${kind}://127.0.0.1:${port}`,
      port,
      stopAccepting,
      [Symbol.asyncDispose]: () => {
        stopAccepting();
        for (const socket of [...listener.open]) socket.destroy();
        return Promise.resolve();
      },
    });
  }

  #maskKey(): Uint8Array {
    const key = this.#keys = Math.imul(this.#keys, 0x9e3779b1) + 1 | 0; // any bytes do: nobody listens in
    return new Uint8Array([key >>> 24, key >>> 16, key >>> 8, key]);
  }
}

interface Listener {
  readonly kind: "tcp" | "ws";
  readonly accept: Accept;
  readonly env: ConnEnv;
  accepting: boolean;
  readonly open: Set<PipeEnd>;
}

/** Events of an accepted end, and the news that it is gone. */
class Listed implements SocketEvents {
  readonly #to: SocketEvents;
  readonly #gone: () => void;
  constructor(to: SocketEvents, gone: () => void) {
    this.#to = to;
    this.#gone = gone;
  }

  data(bytes: Uint8Array): void {
    this.#to.data(bytes);
  }
  drained(): void {
    this.#to.drained();
  }
  closed(): void {
    this.#gone();
    this.#to.closed();
  }
}

const IGNORE: SocketEvents = { data() {}, drained() {}, closed() {} };
