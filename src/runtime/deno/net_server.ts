import type { Server, Socket as NetSocket } from "node:net";
import { Server as TlsServer } from "node:tls";
import { type Clock, systemClock } from "../../base/clock.ts";
import type { ListenAt, TlsPair } from "../../comm/ports.ts";
import { descriptors } from "../node/descriptors.ts";
import type { Bound, Place } from "../node/bound.ts";

/** Between attempts to listen again: something else may hold the port, or the last descriptors. */
const AGAIN_MS = 200;

/** Gives a server that calls `taken` for each new stream, and lets it alone when that says false. */
export type Make = (taken: (socket: NetSocket) => boolean, tls: TlsPair | undefined) => Server;

/**
 * A listening address of `node:net` or `node:http` and its open streams, which are counted against the process's
 * descriptors. When there is no room it stops listening until there is: Deno never accepts again on a server that met
 * the limit itself.
 *
 *   listening ──no room──► deaf ──room──► listening          stop() from anywhere: the end
 */
export class NetServer {
  readonly #make: Make;
  readonly #place: Place;
  readonly #clock: Clock;
  readonly #open = new Set<NetSocket>();
  #server: Server | undefined;
  #port: number;
  #stopped = false;

  constructor(make: Make, place: Place, at: ListenAt) {
    this.#make = make;
    this.#place = place;
    this.#port = "unix" in place ? 0 : place.port;
    this.#clock = at.clock ?? systemClock;
  }

  /** Rejects with the system's error. */
  async bind(): Promise<Bound> {
    await this.#listen();
    const { tls } = this.#place;
    const watch = tls?.onChange(() => {
      if (this.#server instanceof TlsServer) this.#server.setSecureContext(tls.pair);
    });
    return {
      port: this.#port,
      stopAccepting: () => {
        watch?.[Symbol.dispose]();
        this.#stop();
      },
      dispose: async () => {
        watch?.[Symbol.dispose]();
        this.#stop();
        const gone = [...this.#open].map((socket) => new Promise((done) => socket.once("close", done)));
        for (const socket of [...this.#open]) socket.destroy();
        await Promise.all(gone);
      },
    };
  }

  async #listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const place = this.#place;
    const server = this.#make((socket) => this.#take(socket, server), place.tls?.pair);
    server.on("error", reject); // after the start: nobody hears it, and nothing breaks
    const { reusePort } = "unix" in place ? { reusePort: false } : place;
    const at = "unix" in place ? { path: place.unix } : { host: place.hostname, port: this.#port, reusePort };
    server.listen(at, resolve);
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
    this.#relisten().catch(() => void this.#clock.after(AGAIN_MS, () => this.#again()));
  }

  async #relisten(): Promise<void> {
    await this.#listen();
    if ("unix" in this.#place) await this.#place.put();
  }

  #stop(): void {
    this.#stopped = true;
    this.#server?.close();
    this.#server = undefined;
  }
}
