import type { Server, Socket as NetSocket } from "node:net";
import { descriptors } from "../node/descriptors.ts";
import type { Bound } from "../node/listening.ts";

/** The open streams of one server: counted against the process's descriptors, and dropped with the server. */
export class NetSockets {
  readonly #open = new Set<NetSocket>();

  /** False: there is no room, and the stream was dropped. */
  add(socket: NetSocket): boolean {
    if (!descriptors.take()) {
      socket.on("error", () => {}); // nobody cares any more
      socket.destroy();
      return false;
    }
    this.#open.add(socket);
    socket.on("close", () => {
      if (this.#open.delete(socket)) descriptors.give();
    });
    return true;
  }

  destroyAll(): void {
    for (const socket of [...this.#open]) socket.destroy();
  }
}

/** Starts listening. Rejects with the system's error. */
export function bindServer(server: Server, sockets: NetSockets, hostname: string, port: number): Promise<Bound> {
  const { promise, resolve, reject } = Promise.withResolvers<Bound>();
  server.once("error", reject);
  server.listen({ host: hostname, port }, () => {
    const address = server.address();
    let stopped: Promise<void> | undefined;
    const stop = () => stopped ??= new Promise<void>((done) => void server.close(() => done()));
    resolve({
      port: typeof address === "object" && address ? address.port : port,
      stopAccepting: () => void stop(),
      dispose: () => {
        const closed = stop();
        sockets.destroyAll();
        return closed;
      },
    });
  });
  return promise;
}
