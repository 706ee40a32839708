import type { Server, Socket as NetSocket } from "node:net";
import { type Clock, systemClock } from "../../base/clock.ts";
import type { ListenAt } from "../../comm/ports.ts";
import { descriptors } from "../node/descriptors.ts";
import type { Bound } from "../node/listening.ts";

/** Between attempts to listen again: something else may hold the port, or the last descriptors. */
const AGAIN_MS = 200;

/**
 * A listening address of `node:net` or `node:http` and its open streams, which are counted against the process's
 * descriptors. When there is no room it stops listening until there is: Deno never accepts again on a server that met
 * the limit itself.
 *
 *   listening ──no room──► deaf ──room──► listening          stop() from anywhere: the end
 */
export class NetServer {
  readonly #make: (taken: (socket: NetSocket) => boolean) => Server;
  readonly #hostname: string;
  readonly #clock: Clock;
  readonly #open = new Set<NetSocket>();
  #server: Server | undefined;
  #port: number;
  #stopped = false;

  /** @param make gives a server that calls `taken` for each new stream, and lets it alone when that says false. */
  constructor(make: (taken: (socket: NetSocket) => boolean) => Server, hostname: string, port: number, at: ListenAt) {
    this.#make = make;
    this.#hostname = hostname;
    this.#port = port;
    this.#clock = at.clock ?? systemClock;
  }

  /** Rejects with the system's error. */
  async bind(): Promise<Bound> {
    await this.#listen();
    return {
      port: this.#port,
      stopAccepting: () => this.#stop(),
      dispose: async () => {
        this.#stop();
        const gone = [...this.#open].map((socket) => new Promise((done) => socket.once("close", done)));
        for (const socket of [...this.#open]) socket.destroy();
        await Promise.all(gone);
      },
    };
  }

  async #listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const server = this.#make((socket) => this.#take(socket, server));
    server.on("error", reject); // after the start: nobody hears it, and nothing breaks
    server.listen({ host: this.#hostname, port: this.#port }, resolve);
    await promise;
    if (this.#stopped) return void server.close();
    this.#server = server;
    const address = server.address();
    if (typeof address === "object" && address) this.#port = address.port;
  }

  #take(socket: NetSocket, server: Server): boolean {
    if (!descriptors.take()) {
      socket.on("error", () => {}); // nobody cares any more
      socket.destroy();
      this.#deaf(server);
      return false;
    }
    this.#open.add(socket);
    socket.once("close", () => {
      this.#open.delete(socket);
      descriptors.give();
    });
    return true;
  }

  #deaf(server: Server): void {
    if (this.#server !== server) return;
    this.#server = undefined;
    server.close();
    descriptors.whenRoom(() => this.#again());
  }

  #again(): void {
    if (this.#stopped) return;
    this.#listen().catch(() => void this.#clock.after(AGAIN_MS, () => this.#again()));
  }

  #stop(): void {
    this.#stopped = true;
    this.#server?.close();
    this.#server = undefined;
  }
}
