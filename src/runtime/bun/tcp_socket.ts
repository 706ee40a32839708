import type { Socket, SocketEvents, WriteResult } from "../../comm/ports.ts";
import { remoteOf, UNIX } from "../../comm/remote.ts";
import { plain } from "../node/bytes.ts";
import { descriptors } from "../node/descriptors.ts";

/** A TCP stream of Bun: its writes are partial and unbuffered, so the tail is kept here. */
export class BunSocket implements Socket {
  remote: string;
  events!: SocketEvents;
  readonly #socket: Bun.Socket<BunSocket>;
  /** Written and not taken by the kernel. */
  #tail: Uint8Array[] = [];
  #tailBytes = 0;
  #ending = false;
  #peerEnded = false;
  #closed = false;
  /** Is it one of the connections that `descriptors` counts? */
  counted = false;

  constructor(socket: Bun.Socket<BunSocket>) {
    this.#socket = socket;
    // None on a unix socket, whatever the types say.
    this.remote = (socket.remoteAddress as string | undefined) === undefined
      ? UNIX
      : remoteOf(socket.remoteAddress, socket.remotePort);
    socket.data = this;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
  }

  get queuedBytes(): number {
    return this.#tailBytes;
  }

  write(bytes: Uint8Array): WriteResult {
    // hot: per flush
    if (this.#closed || this.#ending) return "closed";
    if (this.#tailBytes > 0) return this.#keep(bytes);
    const taken = this.#socket.write(bytes);
    if (taken < 0) return "closed";
    return taken === bytes.length ? "sent" : this.#keep(bytes.subarray(taken));
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
    if (this.#tailBytes === 0) this.#finish();
  }

  destroy(): void {
    if (!this.#closed) this.#socket.terminate();
  }

  // ---- from the handlers

  onDrain(): void {
    if (this.#tailBytes === 0) return; // Bun also says so without reason
    while (this.#tail.length > 0) {
      const first = this.#tail[0]!;
      const taken = this.#socket.write(first);
      if (taken < 0) return;
      this.#tailBytes -= taken;
      if (taken < first.length) {
        this.#tail[0] = first.subarray(taken);
        return;
      }
      this.#tail.shift();
    }
    if (this.#ending) this.#finish();
    else this.events.drained();
  }

  onEnd(): void {
    this.#peerEnded = true;
    if (!this.#ending) this.end();
    else if (this.#tailBytes === 0) this.#finish();
  }

  onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#tail = [];
    this.#tailBytes = 0;
    if (this.counted) descriptors.give();
    this.events.closed();
  }

  #keep(bytes: Uint8Array): WriteResult {
    this.#tail.push(bytes);
    this.#tailBytes += bytes.length;
    return "queued";
  }

  /** Everything has left: ends our direction, or, when the peer ended its own, all. */
  #finish(): void {
    if (this.#peerEnded) this.#socket.end();
    else this.#socket.shutdown();
  }
}

/** Idle before the kernel begins to ask whether the peer is there. */
const KEEP_ALIVE_MS = 30_000;

/** One object for all sockets of a listener or dialler; `open` makes the BunSocket. */
export function socketHandler(open: (socket: BunSocket) => void): Bun.SocketHandler<BunSocket> {
  return {
    open(socket) {
      open(new BunSocket(socket));
    },
    data(socket, bytes) {
      socket.data.events.data(plain(bytes));
    },
    drain(socket) {
      socket.data.onDrain();
    },
    end(socket) {
      socket.data.onEnd();
    },
    close(socket) {
      socket.data?.onClose();
    },
    error() {}, // `close` follows
  };
}
