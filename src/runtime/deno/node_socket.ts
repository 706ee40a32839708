import type { Socket as NetSocket } from "node:net";
import type { Socket, SocketEvents, WriteResult } from "../../comm/ports.ts";
import { remoteOf } from "../../comm/remote.ts";
import { plain } from "../node/bytes.ts";

/** Idle before the kernel begins to ask whether the peer is there. */
const KEEP_ALIVE_MS = 30_000;

/** A stream of `node:net`, made with `allowHalfOpen`, or the stream of an HTTP upgrade. */
export class NodeSocket implements Socket {
  readonly remote: string;
  events!: SocketEvents;
  readonly #socket: NetSocket;
  #closed = false;
  #ending = false;
  #queued = false;

  constructor(socket: NetSocket) {
    this.#socket = socket;
    this.remote = remoteOf(socket.remoteAddress ?? "0.0.0.0", socket.remotePort ?? 0);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("end", () => this.end());
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => this.#close());
  }

  /** From now on `events` hears what comes. */
  begin(events: SocketEvents): void {
    this.events = events;
    this.#socket.on("data", (bytes: Uint8Array) => this.#closed || this.events.data(plain(bytes)));
  }

  get queuedBytes(): number {
    return this.#closed ? 0 : this.#socket.writableLength;
  }

  write(bytes: Uint8Array): WriteResult {
    // hot: per flush
    if (this.#closed || this.#ending) return "closed";
    this.#socket.write(bytes, this.#written);
    // Nothing leaves within the call: Deno writes later, so that "queued" is the rule and `drained` comes soon.
    this.#queued = this.#socket.writableLength > 0;
    return this.#queued ? "queued" : "sent";
  }

  pause(): void {
    if (!this.#closed) this.#socket.pause();
  }

  resume(): void {
    if (!this.#closed) this.#socket.resume();
  }

  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.#socket.end();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#socket.destroy();
    this.#close();
  }

  readonly #written = (): void => {
    if (!this.#queued || this.#closed || this.#socket.writableLength > 0) return;
    this.#queued = false;
    if (!this.#ending) this.events.drained();
  };

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.events.closed();
  }
}
