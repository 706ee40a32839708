import type { Socket as NetSocket } from "node:net";

/** What TLSSocket keeps to itself: the TCP stream below, and its handle. */
interface Below {
  readonly _parent?: { readonly _handle?: { readStop?(): void; readStart?(): void } | null };
}

/**
 * Deno 2.9.6 goes on reading a paused TLS stream into memory without end. Stopping the handle of the TCP stream below is
 * what its `pause` forgets; tests/contract/listen.ts shows that it works. Does nothing for other streams.
 */
export function pauseBelow(stream: NetSocket): void {
  (stream as Below)._parent?._handle?.readStop?.();
}

/** The opposite. */
export function resumeBelow(stream: NetSocket): void {
  (stream as Below)._parent?._handle?.readStart?.();
}
