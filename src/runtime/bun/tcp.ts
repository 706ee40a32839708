import { connEnv } from "../../comm/conn_env.ts";
import type { Dial, ListenTcp, SocketEvents } from "../../comm/ports.ts";
import { acceptTcp } from "../node/accept_tcp.ts";
import { descriptors } from "../node/descriptors.ts";
import { dialWith } from "../node/dial.ts";
import { listenOn } from "../node/listening.ts";
import { type BunSocket, socketHandler } from "./tcp_socket.ts";

/** See ports.ts `ListenTcp`. */
export const listenTcp: ListenTcp = (at, accept) => {
  const env = connEnv(at);
  const socket = socketHandler((made) => {
    if (!descriptors.take()) {
      made.events = IGNORE;
      return made.destroy();
    }
    made.counted = true;
    acceptTcp(made, at, env, accept);
  });
  return listenOn("tcp", at, async (hostname, port) => {
    const listener = Bun.listen<BunSocket>({ hostname, port, allowHalfOpen: true, socket });
    return {
      port: listener.port,
      stopAccepting: () => listener.stop(),
      dispose: async () => listener.stop(true),
    };
  });
};

/** See ports.ts `Dial`. */
export const dial: Dial = dialWith(async (hostname, port, events) => {
  const socket = socketHandler((made) => {
    made.events = IGNORE; // `events` may write and be closed at once
    made.events = events(made);
  });
  await Bun.connect<BunSocket>({ hostname, port, allowHalfOpen: true, socket });
});

const IGNORE: SocketEvents = { data() {}, drained() {}, closed() {} };
