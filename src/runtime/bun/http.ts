import http from "node:http";
import { connEnv } from "../../comm/conn_env.ts";
import type { Accept, Fetch, HttpEnv, ServeHttp } from "../../comm/ports.ts";
import { ipOf, remoteOf, UNIX } from "../../comm/remote.ts";
import type { ConnEnv } from "../../comm/stream_conn.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { descriptors } from "../node/descriptors.ts";
import { listenOn } from "../node/listening.ts";
import { renewing } from "./renewing.ts";
import { BunWsConn } from "./ws_conn.ts";

const HEAD_BYTES = 8 << 10;
/** Larger bodies are refused with 413. */
const BODY_BYTES = 16 << 20;
/** An HTTP connection may be idle between requests, or in the middle of a body, for so long. */
const IDLE_SECONDS = 30;

const websocket: Bun.WebSocketHandler<BunWsConn> = {
  // Clients on the Go library never answer a server's ping and take it for a packet: all deadlines are our own.
  sendPings: false,
  idleTimeout: 0,
  perMessageDeflate: false,
  maxPayloadLength: LIMITS.client.frameBytes,
  // Channels limit what waits, long before this: nothing may be dropped here without anybody knowing.
  backpressureLimit: 2 ** 31 - 1,
  closeOnBackpressureLimit: false,
  open: (socket) => socket.data.opened(socket),
  message: (socket, message) => socket.data.message(message),
  ping: (socket) => socket.data.control(true),
  pong: (socket) => socket.data.control(false),
  drain: (socket) => socket.data.drained(),
  close: (socket, code, reason) => socket.data.closed(code, reason),
};

/** See ports.ts `ServeHttp`. */
export const serveHttp: ServeHttp = (at, fetch) => {
  const env = connEnv(at);
  Object.assign(http, { maxHeaderSize: HEAD_BYTES }); // Bun.serve has no option for it; this one is the process's
  const options = {
    development: false,
    maxRequestBodySize: BODY_BYTES,
    fetch: (request: Request, server: Bun.Server<BunWsConn>) =>
      answer(request, new BunEnv(request, server, env), fetch),
    error: (thrown: unknown) => {
      env.log.error("answering a request failed", { error: thrown });
      return new Response("Internal error\n", { status: 500 });
    },
    websocket,
  };
  return listenOn(
    "http",
    at,
    async (place) =>
      renewing(
        place,
        env,
        at.clock,
        (where, tls) =>
          "unix" in where ? Bun.serve<BunWsConn>({ ...options, ...where }) : Bun.serve<BunWsConn>({
            ...options,
            ...where, // its `reusePort` is always there: without it `development: false` shares every port
            idleTimeout: IDLE_SECONDS,
            ...(tls && { tls: { ...tls } }),
          }),
      ),
  );
};

function answer(request: Request, env: BunEnv, fetch: Fetch): Response | undefined | Promise<Response | undefined> {
  if (request.url.startsWith("/")) return new Response("Cannot answer: no Host\n", { status: 400 }); // HTTP/1.0
  const response = fetch(request, env);
  if (response instanceof Promise) return response.then((one) => env.upgraded ? undefined : one);
  return env.upgraded ? undefined : response;
}

/** One request's way to become a WebSocket. */
class BunEnv implements HttpEnv {
  readonly #request: Request;
  readonly #server: Bun.Server<BunWsConn>;
  readonly #env: ConnEnv;
  #remote: string | undefined;
  upgraded = false;

  constructor(request: Request, server: Bun.Server<BunWsConn>, env: ConnEnv) {
    this.#request = request;
    this.#server = server;
    this.#env = env;
  }

  get remote(): string {
    if (this.#remote === undefined) {
      const peer = this.#server.requestIP(this.#request);
      this.#remote = peer ? remoteOf(peer.address, peer.port) : this.#server.port === undefined ? UNIX : "0.0.0.0:0"; // it has gone
    }
    return this.#remote;
  }

  get remoteIp(): string {
    return ipOf(this.remote);
  }

  get secure(): boolean {
    return this.#request.url.startsWith("https:");
  }

  upgrade(_request: Request, accept: Accept): Response {
    const conn = new BunWsConn(this.remote, this.#env, accept);
    if (!descriptors.take()) return new Response("Cannot upgrade: too many connections\n", { status: 503 });
    // The request that came in, not the route's: middleware may have made another one.
    this.upgraded = this.#server.upgrade(this.#request, { data: conn });
    if (this.upgraded) return new Response(null); // never sent: Bun has answered 101
    descriptors.give();
    return new Response("Cannot upgrade: this is no WebSocket handshake\n", { status: 400 });
  }
}
