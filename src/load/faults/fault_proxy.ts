import net from "node:net";
import { wait } from "../pool.ts";
import type { CutWay } from "./plan.ts";

/** A connection on which nothing comes by in this time after "half a frame" was asked for is reset anyway. */
const HALF_WAIT_MS = 1_000;
/** Bytes that wait for one side before the other is not read any more. */
const MOST_WAITING = 1 << 20;

/** Stands in one TCP link. Passes bytes on as they come, until it is told to cut. */
export class FaultProxy implements AsyncDisposable {
  /** Where connections go; may be changed: new ones go to the new place. */
  target: { readonly host: string; readonly port: number };
  /** Connections that were cut. */
  cuts = 0;
  readonly #server: net.Server;
  readonly #pairs = new Set<Pair>();
  #hole = false;

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.target = target;
    this.#server = net.createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Listens on 127.0.0.1, on a free port unless one is given. */
  static async start(target: { readonly host: string; readonly port: number }, port = 0): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(port, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("Cannot tell the port: not listening");
    return address.port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Cuts all connections; resolves when the link is whole again. */
  async cut(way: CutWay, forMs: number): Promise<void> {
    this.cuts += this.#pairs.size;
    if (way === "abrupt") return this.#resetAll();
    if (way === "half a frame") {
      const marked = [...this.#pairs];
      for (const pair of marked) pair.halve();
      await wait(HALF_WAIT_MS);
      for (const pair of marked) pair.destroy();
      return;
    }
    this.#hole = true;
    for (const pair of this.#pairs) pair.hold();
    await wait(forMs);
    this.#hole = false;
    if (way === "stall") { for (const pair of this.#pairs) pair.release(); }
    else this.#resetAll();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#resetAll();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #resetAll(): void {
    for (const pair of [...this.#pairs]) pair.destroy();
  }

  #accept(socket: net.Socket): void {
    const pair: Pair = new Pair(socket, this.target, () => this.#pairs.delete(pair));
    this.#pairs.add(pair);
    if (this.#hole) pair.hold();
  }
}

/** Two joined sockets. */
class Pair {
  readonly #near: net.Socket;
  readonly #far: net.Socket;
  readonly #gone: () => void;
  #state: "open" | "held" | "half" | "over" = "open";

  constructor(near: net.Socket, target: { readonly host: string; readonly port: number }, gone: () => void) {
    this.#near = near;
    this.#far = net.connect({ host: target.host, port: target.port, noDelay: true });
    this.#gone = gone;
    this.#join(this.#near, this.#far);
    this.#join(this.#far, this.#near);
  }

  /** Nothing passes from now on. */
  hold(): void {
    if (this.#state !== "open") return;
    this.#state = "held";
    this.#near.pause();
    this.#far.pause();
  }

  /** What waited passes. */
  release(): void {
    if (this.#state !== "held") return;
    this.#state = "open";
    this.#near.resume();
    this.#far.resume();
  }

  /** Ends in the middle of what comes next. */
  halve(): void {
    if (this.#state === "open") this.#state = "half";
  }

  destroy(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    for (const socket of [this.#near, this.#far]) reset(socket);
    this.#gone();
  }

  #join(from: net.Socket, to: net.Socket): void {
    from.on("data", (bytes: Uint8Array) => {
      if (this.#state === "over") return;
      if (this.#state === "half") {
        const half = bytes.subarray(0, bytes.length >> 1);
        this.#state = "held";
        to.write(half, () => this.destroy());
        return;
      }
      to.write(bytes);
      if (to.writableLength <= MOST_WAITING) return;
      from.pause();
      to.once("drain", () => {
        if (this.#state === "open") from.resume();
      });
    });
    from.on("error", () => {}); // "close" follows
    from.on("end", () => {
      if (this.#state !== "over") to.end();
    });
    from.on("close", () => this.#closed(to));
  }

  /** One side closed by itself: the other may still have bytes to be given. */
  #closed(other: net.Socket): void {
    if (this.#state === "over") return;
    this.#state = "over";
    if (!other.destroyed) other.end(() => other.destroy());
    this.#gone();
  }
}

/** RST in place of FIN, where the runtime can. */
function reset(socket: net.Socket): void {
  const { resetAndDestroy } = socket as { resetAndDestroy?: () => void };
  if (socket.connecting || resetAndDestroy === undefined) socket.destroy();
  else resetAndDestroy.call(socket);
}
