import { createConnection, createServer, type Socket as NetSocket } from "node:net";
import { connEnv } from "../../comm/conn_env.ts";
import type { Dial, ListenTcp } from "../../comm/ports.ts";
import { TcpConn } from "../../comm/tcp_conn.ts";
import { dialWith } from "../node/dial.ts";
import { listenOn } from "../node/listening.ts";
import { bindServer, NetSockets } from "./net_server.ts";
import { NodeSocket } from "./node_socket.ts";

/** See ports.ts `ListenTcp`. */
export const listenTcp: ListenTcp = (at, accept) => {
  const env = connEnv(at);
  return listenOn("tcp", at, (hostname, port) => {
    const sockets = new NetSockets();
    const server = createServer({ allowHalfOpen: true }, (stream: NetSocket) => {
      if (!sockets.add(stream)) return;
      const socket = new NodeSocket(stream);
      const conn = new TcpConn(socket, env);
      socket.begin(conn);
      conn.begin(accept);
    });
    return bindServer(server, sockets, hostname, port);
  });
};

/** See ports.ts `Dial`. */
export const dial: Dial = dialWith((hostname, port, events) => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stream = createConnection({ host: hostname, port, allowHalfOpen: true });
  stream.once("error", reject);
  stream.once("connect", () => {
    const socket = new NodeSocket(stream);
    socket.events = IGNORE; // `events` may write and be closed at once
    socket.begin(events(socket));
    resolve();
  });
  return promise;
});

const IGNORE = { data() {}, drained() {}, closed() {} };
