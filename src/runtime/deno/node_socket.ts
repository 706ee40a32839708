import type { Socket as NetSocket } from "node:net";
import type { Socket, SocketEvents, WriteResult } from "../../comm/ports.ts";
import { remoteOf, UNIX } from "../../comm/remote.ts";
import { plain } from "../node/bytes.ts";
import { pauseBelow, resumeBelow } from "./tls_pause.ts";

/** Idle before the kernel begins to ask whether the peer is there. */
const KEEP_ALIVE_MS = 30_000;
const OWNER = Symbol("owner");

/** A stream that knows its NodeSocket, so that one set of functions serves all streams. */
type Owned = NetSocket & { [OWNER]?: NodeSocket };

/** A stream of `node:net`, made with `allowHalfOpen`, or the stream of an HTTP upgrade. */
export class NodeSocket implements Socket {
  remote: string;
  events!: SocketEvents;
  readonly #socket: NetSocket;
  #closed = false;
  #ending = false;
  #queued = false;
  #written: (() => void) | undefined;

  constructor(socket: NetSocket) {
    this.#socket = socket;
    this.remote = remoteOfStream(socket);
    (socket as Owned)[OWNER] = this;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on("end", onEnd);
    socket.on("error", onError);
    socket.on("close", onClose);
  }

  /** From now on `events` hears what comes; it must be set. */
  begin(): void {
    this.#socket.on("data", onData);
  }

  get queuedBytes(): number {
    return this.#closed ? 0 : this.#socket.writableLength;
  }

  write(bytes: Uint8Array): WriteResult {
    // hot: per flush
    if (this.#closed || this.#ending) return "closed";
    this.#socket.write(bytes, this.#written ??= () => this.#onWritten());
    // Nothing leaves within the call: Deno writes later, so that "queued" is the rule and `drained` comes soon.
    this.#queued = this.#socket.writableLength > 0;
    return this.#queued ? "queued" : "sent";
  }

  pause(): void {
    if (this.#closed) return;
    this.#socket.pause();
    pauseBelow(this.#socket);
  }

  resume(): void {
    if (this.#closed) return;
    resumeBelow(this.#socket);
    this.#socket.resume();
  }

  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.#socket.end();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#socket.destroy();
    this.onClose();
  }

  // ---- from the stream

  onData(bytes: Uint8Array): void {
    if (!this.#closed) this.events.data(plain(bytes));
  }

  onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.events.closed();
  }

  #onWritten(): void {
    if (!this.#queued || this.#closed || this.#socket.writableLength > 0) return;
    this.#queued = false;
    this.#written = undefined; // an idle channel carries no closure
    if (!this.#ending) this.events.drained();
  }
}

/** For `tlsClientError`: a handshake that failed or took too long; Deno leaves its stream open. */
export function dropStream(_why: Error, stream: NetSocket): void {
  stream.destroy();
}

/** Unix sockets have no address. */
export function remoteOfStream({ remoteAddress, remotePort }: NetSocket): string {
  return remoteAddress === undefined ? UNIX : remoteOf(remoteAddress, remotePort ?? 0);
}

function onData(this: Owned, bytes: Uint8Array): void {
  this[OWNER]!.onData(bytes);
}

function onEnd(this: Owned): void {
  this[OWNER]!.end();
}

function onClose(this: Owned): void {
  this[OWNER]!.onClose();
}

/** "close" follows. */
function onError(): void {}
