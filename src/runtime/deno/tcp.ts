import { createConnection, createServer, isIP, type Socket as NetSocket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { connEnv } from "../../comm/conn_env.ts";
import type { Dial, ListenTcp } from "../../comm/ports.ts";
import { Closing } from "../../comm/stream_conn.ts";
import { acceptTcp } from "../node/accept_tcp.ts";
import { type ConnectTo, dialWith } from "../node/dial.ts";
import { HANDSHAKE_MS, listenOn } from "../node/listening.ts";
import { type Make, NetServer } from "./net_server.ts";
import { dropStream, NodeSocket } from "./node_socket.ts";

/** See ports.ts `ListenTcp`. */
export const listenTcp: ListenTcp = (at, accept) => {
  const env = connEnv(at);
  const begin = (stream: NetSocket) => {
    const socket = new NodeSocket(stream);
    acceptTcp(socket, at, env, accept);
    socket.begin();
  };
  const make: Make = (taken, tls) => {
    if (!tls) return createServer({ allowHalfOpen: true }, (stream) => void (taken(stream) && begin(stream)));
    const server = createTlsServer({ ...tls, allowHalfOpen: true, handshakeTimeout: HANDSHAKE_MS }, begin);
    return server.on("connection", taken).on("tlsClientError", dropStream);
  };
  return listenOn("tcp", at, (place) => new NetServer(make, place, at).bind());
};

/** See ports.ts `Dial`. */
export const dial: Dial = dialWith(({ place, tls, env, timeoutMs }, events) => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const { stream, ready } = open(place, tls);
  stream.once("error", reject);
  const limit = new Closing(stream);
  if (tls) env.wheel.wakeIn(limit, timeoutMs);
  stream.once("close", () => {
    env.wheel.remove(limit);
    reject(new Error("the stream ended"));
  });
  stream.once(ready, () => {
    env.wheel.remove(limit);
    const socket = new NodeSocket(stream);
    socket.events = IGNORE; // `events` may write and be closed at once
    socket.events = events(socket);
    socket.begin();
    resolve();
  });
  return promise;
});

function open(place: ConnectTo["place"], tls: ConnectTo["tls"]): { stream: NetSocket; ready: string } {
  if ("unix" in place) return { stream: createConnection({ path: place.unix, allowHalfOpen: true }), ready: "connect" };
  const to = { host: place.hostname, port: place.port, allowHalfOpen: true };
  if (!tls) return { stream: createConnection(to), ready: "connect" };
  const { ca, serverName } = tls;
  const name = isIP(serverName) ? {} : { servername: serverName };
  return { stream: connectTls({ ...to, ...name, ...(ca !== undefined && { ca }) }), ready: "secureConnect" };
}

const IGNORE = { data() {}, drained() {}, closed() {} };
