import type { CloseReason } from "../protocol/close_reason.ts";

/** What upper layers may do with a channel. `T` is what they keep with it; it is undefined until they let it in. */
export interface Agent<T = unknown> {
  /** The name the acceptor gave; empty before. */
  readonly id: string;
  readonly data: T;
  /** `ip:port` of the peer, or of the client behind a trusted proxy. */
  readonly remote: string;
  readonly remoteIp: string;
  readonly transport: "ws" | "tcp";
  /** Monotonic ms when a frame came last; up to 0.1 s too early. Only where silence closes channels (`readWaitMs`). */
  readonly heardMs: number;
  /** Bytes of pushes that wait to be written. */
  readonly queuedPushBytes: number;
  /** Queues a packet nobody asked for. False: not taken, the channel is closed or was closed for being slow. */
  push(packet: Uint8Array): boolean;
  /** Queues the answer to a request: always taken while open. Shares one queue, and so the order, with pushes. */
  reply(packet: Uint8Array): boolean;
  /** Stops reading; the peer feels it. What was already read may still come. The read deadline waits meanwhile. */
  pause(): void;
  resume(): void;
  /** A transport ping. Servers send none to clients, only to gateways. */
  ping(): void;
  /** Lets what is queued leave, then ends; with GONE at once, without a word. Harmless when closed. */
  close(why: CloseReason): void;
}

/** Gets the packets of channels that were let in. */
export interface MessageListener<T> {
  /**
   * One packet; the bytes are only valid during the call. Throwing, or a promise that rejects, closes the channel
   * with INTERNAL. A promise is not waited for: the next packet may come before.
   */
  receive(channel: Agent<T>, packet: Uint8Array): void | Promise<void>;
  /** A transport ping, already answered. */
  pinged?(channel: Agent<T>): void;
}

/** Hears which channels come and go. */
export interface StateListener<T> {
  /** The channel was let in and can be found by its id; nothing of it was received yet. */
  connected?(channel: Agent<T>): void;
  /** It ended without being let in: refused, too late, gone. */
  turnedAway?(channel: Agent, why: CloseReason): void;
  /** Exactly once for everyone the acceptor let in, also when `connected` was never told. */
  disconnected(channel: Agent<T>, why: CloseReason): void;
}
