import { getRequestListener } from "@hono/node-server";
import { createServer, type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket as NetSocket } from "node:net";
import { TLSSocket } from "node:tls";
import { connEnv } from "../../comm/conn_env.ts";
import type { Accept, Fetch, HttpEnv, ServeHttp } from "../../comm/ports.ts";
import { ipOf } from "../../comm/remote.ts";
import type { ConnEnv } from "../../comm/stream_conn.ts";
import { WsConn } from "../../comm/ws_conn.ts";
import { plain } from "../node/bytes.ts";
import { wsAccept } from "../node/crypto.ts";
import { HANDSHAKE_MS, listenOn } from "../node/listening.ts";
import { type Make, NetServer } from "./net_server.ts";
import { dropStream, NodeSocket, remoteOfStream } from "./node_socket.ts";

const LIMITS = {
  maxHeaderSize: 8 << 10,
  headersTimeout: 5_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 30_000,
  connectionsCheckingInterval: 500,
};

/** See ports.ts `ServeHttp`. */
export const serveHttp: ServeHttp = (at, fetch) => {
  const env = connEnv(at);
  const listener = getRequestListener(
    (request, bindings) => fetch(request, new PlainEnv((bindings as { incoming: IncomingMessage }).incoming.socket)),
    { overrideGlobalObjects: false },
  );
  const make: Make = (taken, tls) => {
    const answer = (request: IncomingMessage, response: ServerResponse) => void listener(request, response);
    const server = tls
      ? createTlsServer({ ...LIMITS, ...tls, handshakeTimeout: HANDSHAKE_MS }, answer)
      : createServer(LIMITS, answer);
    server.on("tlsClientError", dropStream);
    server.on("connection", taken);
    server.on("upgrade", (request: IncomingMessage, stream: NetSocket, head: Uint8Array) => {
      stream.on("error", () => {}); // "close" follows
      answerUpgrade(request, new UpgradeEnv(stream, head, env), fetch).catch((thrown) => {
        env.log.error("answering a request failed", { error: thrown });
        stream.end("HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      });
    });
    return server;
  };
  return listenOn("http", at, (place) => new NetServer(make, place, at).bind());
};

/** Runs the fetch handler; what it answers, unless it upgraded, goes out as the response. */
async function answerUpgrade(incoming: IncomingMessage, env: UpgradeEnv, fetch: Fetch): Promise<void> {
  const { method = "GET", url = "/", headers, httpVersion } = incoming;
  if (httpVersion !== "1.1") return env.respond(new Response("Cannot upgrade: HTTP must be 1.1\n", { status: 505 }));
  let request: Request;
  try {
    request = new Request(`http${env.secure ? "s" : ""}://${headers.host}${url}`, { method, headers: flat(headers) });
  } catch {
    return env.respond(new Response("Cannot upgrade: bad request\n", { status: 400 })); // its Host or a header is none
  }
  const response = await fetch(request, env);
  if (!env.upgraded) await env.respond(response);
}

function flat(headers: IncomingMessage["headers"]): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(", ") : value] as [string, string]]
  );
}

/** A request that is no upgrade. */
class PlainEnv implements HttpEnv {
  readonly #socket: NetSocket;

  constructor(socket: NetSocket) {
    this.#socket = socket;
  }

  get remote(): string {
    return remoteOfStream(this.#socket);
  }

  get remoteIp(): string {
    return ipOf(this.remote);
  }

  get secure(): boolean {
    return this.#socket instanceof TLSSocket;
  }

  upgrade(_request: Request, _accept: Accept): Response {
    return new Response("Cannot upgrade: this is no WebSocket handshake\n", { status: 400 });
  }
}

/** A request with `Connection: Upgrade`; what came behind it in `head` is not lost. */
class UpgradeEnv extends PlainEnv {
  readonly #stream: NetSocket;
  readonly #head: Uint8Array;
  readonly #env: ConnEnv;
  upgraded = false;

  constructor(stream: NetSocket, head: Uint8Array, env: ConnEnv) {
    super(stream);
    this.#stream = stream;
    this.#head = head;
    this.#env = env;
  }

  override upgrade(request: Request, accept: Accept): Response {
    const key = request.headers.get("sec-websocket-key");
    if (this.upgraded || key === null) return super.upgrade(request, accept);
    this.upgraded = true;
    const socket = new NodeSocket(this.#stream);
    const conn = new WsConn(socket, this.#env);
    socket.events = conn;
    socket.begin();
    socket.write(bytesOf(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${wsAccept(key)}\r\n\r\n`,
    ));
    conn.begin(accept);
    if (this.#head.length > 0) conn.data(plain(this.#head));
    return new Response(null); // never sent
  }

  async respond(response: Response): Promise<void> {
    const body = new Uint8Array(await response.arrayBuffer());
    const lines = [`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ""}`];
    for (const [name, value] of response.headers) {
      if (name !== "connection" && name !== "content-length") lines.push(`${name}: ${value}`);
    }
    lines.push("Connection: close", `Content-Length: ${body.length}`);
    this.#stream.write(bytesOf(lines.join("\r\n") + "\r\n\r\n"));
    this.#stream.end(body);
  }
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
