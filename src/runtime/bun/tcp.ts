import { connEnv } from "../../comm/conn_env.ts";
import type { Dial, ListenTcp, SocketEvents } from "../../comm/ports.ts";
import { acceptTcp } from "../node/accept_tcp.ts";
import { descriptors } from "../node/descriptors.ts";
import { dialWith } from "../node/dial.ts";
import { HANDSHAKE_MS, listenOn } from "../node/listening.ts";
import { renewing } from "./renewing.ts";
import { type BunSocket, socketHandler } from "./tcp_socket.ts";
import { tlsHandler } from "./tls_socket.ts";

/** See ports.ts `ListenTcp`. */
export const listenTcp: ListenTcp = (at, accept) => {
  const env = connEnv(at);
  const room = (made: BunSocket): boolean => made.counted = descriptors.take();
  const plain = socketHandler((made) => {
    if (room(made)) return acceptTcp(made, at, env, accept);
    made.events = IGNORE;
    made.destroy();
  });
  const secure = tlsHandler(env, HANDSHAKE_MS, { done: (made) => acceptTcp(made, at, env, accept) }, room);
  return listenOn("tcp", at, async (place) =>
    renewing(place, env, at.clock, (where, tls) => {
      const options = { allowHalfOpen: true, ...(tls ? { socket: secure, tls: { ...tls } } : { socket: plain }) };
      return "unix" in where
        ? Bun.listen<BunSocket>({ ...options, unix: where.unix })
        : Bun.listen<BunSocket>({ ...options, ...where });
    }));
};

/** See ports.ts `Dial`. */
export const dial: Dial = dialWith(async ({ place, tls, env, timeoutMs }, events) => {
  const begin = (made: BunSocket) => {
    made.events = IGNORE; // `events` may write and be closed at once
    made.events = events(made);
  };
  if ("unix" in place || !tls) {
    const options = { allowHalfOpen: true, socket: socketHandler(begin) };
    if ("unix" in place) await Bun.connect<BunSocket>({ ...options, unix: place.unix });
    else await Bun.connect<BunSocket>({ ...options, ...place });
    return;
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const done = (made: BunSocket) => {
    begin(made);
    resolve();
  };
  const socket = tlsHandler(env, timeoutMs, { done, failed: (why) => reject(why ?? new Error("the stream ended")) });
  const connected = Bun.connect<BunSocket>({ ...place, allowHalfOpen: true, tls: { ...tls }, socket });
  await Promise.all([connected, promise]);
});

const IGNORE: SocketEvents = { data() {}, drained() {}, closed() {} };
