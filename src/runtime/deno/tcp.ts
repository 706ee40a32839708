import { createConnection, createServer, type Socket as NetSocket } from "node:net";
import { connEnv } from "../../comm/conn_env.ts";
import type { Dial, ListenTcp } from "../../comm/ports.ts";
import { acceptTcp } from "../node/accept_tcp.ts";
import { dialWith } from "../node/dial.ts";
import { listenOn } from "../node/listening.ts";
import { NetServer } from "./net_server.ts";
import { NodeSocket } from "./node_socket.ts";

/** See ports.ts `ListenTcp`. */
export const listenTcp: ListenTcp = (at, accept) => {
  const env = connEnv(at);
  const make = (taken: (stream: NetSocket) => boolean) =>
    createServer({ allowHalfOpen: true }, (stream: NetSocket) => {
      if (!taken(stream)) return;
      const socket = new NodeSocket(stream);
      acceptTcp(socket, at, env, accept);
      socket.begin();
    });
  return listenOn("tcp", at, (hostname, port) => new NetServer(make, hostname, port, at).bind());
};

/** See ports.ts `Dial`. */
export const dial: Dial = dialWith((hostname, port, events) => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stream = createConnection({ host: hostname, port, allowHalfOpen: true });
  stream.once("error", reject);
  stream.once("connect", () => {
    const socket = new NodeSocket(stream);
    socket.events = IGNORE; // `events` may write and be closed at once
    socket.events = events(socket);
    socket.begin();
    resolve();
  });
  return promise;
});

const IGNORE = { data() {}, drained() {}, closed() {} };
