import type { Socket, SocketEvents, WriteResult } from "../../comm/ports.ts";

/** How a pipe behaves, in both directions. */
export interface PipeOptions {
  /** What the "kernel" takes before a write is "queued"; 64 KiB when not given. */
  readonly kernelBytes?: number;
  /** How many of the waiting bytes the next `data` brings, at least 1; all of them when not given. */
  readonly cut?: (waitingBytes: number) => number;
  /** When the next piece is delivered; a microtask when not given. Never at once: no real socket does that. */
  readonly later?: (run: () => void) => void;
}

/**
 * Two byte streams joined in memory, with what real ones have: pieces cut anywhere, back-pressure, pausing,
 * half-closing, dropping. Set `events` of both before anything is written.
 */
export function pipe(
  options: PipeOptions = {},
  remotes: readonly [string, string] = ["a:1", "b:2"],
): [PipeEnd, PipeEnd] {
  const a = new PipeEnd(options, remotes[1]);
  const b = new PipeEnd(options, remotes[0]);
  a.peer = b;
  b.peer = a;
  return [a, b];
}

export class PipeEnd implements Socket {
  readonly remote: string;
  events!: SocketEvents;
  peer!: PipeEnd;
  readonly #kernelBytes: number;
  readonly #cut: (waitingBytes: number) => number;
  readonly #later: (run: () => void) => void;
  /** Written and not yet delivered to the peer. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #queued = false;
  #ending = false;
  #ended = false;
  #paused = false;
  #closed = false;
  #turn = false;

  constructor(options: PipeOptions, remote: string) {
    this.remote = remote;
    this.#kernelBytes = options.kernelBytes ?? 64 << 10;
    this.#cut = options.cut ?? ((waiting) => waiting);
    this.#later = options.later ?? queueMicrotask;
  }

  get queuedBytes(): number {
    return Math.max(0, this.#waitingBytes - this.#kernelBytes);
  }

  write(bytes: Uint8Array): WriteResult {
    if (this.#closed || this.#ending) return "closed";
    if (bytes.length > 0) {
      this.#waiting.push(bytes.slice());
      this.#waitingBytes += bytes.length;
      this.#deliverLater();
    }
    if (this.queuedBytes > 0) this.#queued = true;
    return this.#queued ? "queued" : "sent";
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.peer.#deliverLater();
  }

  end(): void {
    if (this.#ending || this.#closed) return;
    this.#ending = true;
    this.#deliverLater();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#close();
    this.#later(() => this.peer.#close());
  }

  #deliverLater(): void {
    if (this.#turn || this.#closed) return;
    this.#turn = true;
    this.#later(() => this.#deliver());
  }

  #deliver(): void {
    this.#turn = false;
    if (this.#closed || this.peer.#closed || this.peer.#paused) return;
    if (this.#waitingBytes > 0) {
      const piece = this.#take(Math.max(1, Math.min(this.#waitingBytes, this.#cut(this.#waitingBytes))));
      if (this.#queued && this.queuedBytes === 0) {
        this.#queued = false;
        this.#later(() => this.#closed || this.events.drained());
      }
      this.peer.events.data(piece);
      return this.#deliverLater();
    }
    if (!this.#ending || this.#ended) return;
    this.#ended = true;
    if (this.peer.#ended) {
      this.#close();
      this.peer.#close();
    } else this.peer.end(); // as the adapters: who hears the end ends too
  }

  #take(count: number): Uint8Array {
    const piece = new Uint8Array(count);
    let at = 0;
    while (at < count) {
      const first = this.#waiting[0]!;
      const part = first.subarray(0, count - at);
      piece.set(part, at);
      at += part.length;
      if (part.length === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(part.length);
    }
    this.#waitingBytes -= count;
    return piece;
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.events.closed();
  }
}
