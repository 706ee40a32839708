import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import type { CloseReason } from "../protocol/close_reason.ts";

/**
 * The seam between the core and any runtime. Adapters (runtime/*) translate and decide nothing; results are words.
 * Bytes are Uint8Array views: never pass `.buffer`, it forgets offset and length.
 */

/** "sent": the kernel has it. "queued": taken, but wait for `drained` before the next. Nothing is ever dropped. */
export type WriteResult = "sent" | "queued" | "closed";

/** One open byte stream (TCP, TLS, the raw stream of an upgraded WebSocket, or a pipe in memory). */
export interface Socket {
  /** `203.0.113.7:51234`; IPv6 in brackets; `unix` for a unix socket. */
  readonly remote: string;
  /** Bytes taken that the kernel does not have yet. */
  readonly queuedBytes: number;
  /** Never throws, never waits. After "queued" the adapter keeps the tail and calls `drained` when all has left. */
  write(bytes: Uint8Array): WriteResult;
  /** Stops and resumes `data` events, so that the kernel pushes back on the peer. */
  pause(): void;
  resume(): void;
  /** Lets what was written leave, then ends our direction. `closed` follows once the peer has ended its own. */
  end(): void;
  /** Drops the connection now. `closed` follows once, perhaps before this returns. */
  destroy(): void;
}

/** What a byte stream tells. `data` bytes are only valid during the call, and the receiver may overwrite them. */
export interface SocketEvents {
  data(bytes: Uint8Array): void;
  drained(): void;
  /** Exactly once, last. */
  closed(): void;
}

/** One open connection that carries packets: a WebSocket (a packet per binary message) or TCP frames. */
export interface Conn {
  readonly remote: string;
  readonly transport: "ws" | "tcp";
  /** Bytes taken that the kernel does not have yet. */
  readonly queuedBytes: number;
  /** Hands over the packets of one flush, in order, in as few writes as possible. Never throws, never waits. */
  send(packets: readonly Uint8Array[]): WriteResult;
  /** Transport ping with empty payload. Only clients and links send pings (proto/WIRE.md "Heartbeats"). */
  ping(): void;
  /** Stops reading. What was already read may still come as `packet`: one read's worth. */
  pause(): void;
  resume(): void;
  /** Says why (close code and text on WebSocket, text on TCP), lets queued bytes leave, then ends; drops after 1.5 s. */
  close(why: CloseReason): void;
  /** Drops without a word. */
  destroy(): void;
  /** The largest frame taken from now on, in bytes. A larger one closes with TOO_LARGE before anything is allocated. */
  limit(frameBytes: number): void;
}

/**
 * What a connection tells its owner. Bytes of `packet` are only valid during the call: copy what is kept. One that
 * throws closes the connection with INTERNAL and is logged.
 */
export interface ConnEvents {
  /** One data frame's payload (a whole packet; never empty). */
  packet(bytes: Uint8Array): void;
  /** Any frame arrived, also pings and empty ones: the read deadline starts over. Called before `packet`. */
  alive(): void;
  /** A transport ping arrived (it was already answered with its payload echoed). */
  pinged(): void;
  /** After "queued": everything has left. */
  drained(): void;
  /** Exactly once, last. What the peer said, or CLOSE.GONE; for our own close the reason given. */
  closed(why: CloseReason): void;
}

/** The owner of a new connection: told once, before its first event. Throwing drops the connection. */
export type Accept = (conn: Conn) => ConnEvents;

export interface Listening extends AsyncDisposable {
  /** `tcp://127.0.0.1:8001`, with the port really bound; `tls:` and `https:` with a certificate; `tcp+unix:/path`. */
  readonly url: string;
  /** 0 on a unix socket. */
  readonly port: number;
  /** Stops accepting; open connections stay. Dispose also drops those. */
  stopAccepting(): void;
}

/** What connections need besides bytes. */
export interface ConnOptions {
  /** For the 1.5 s of closing; the system's when not given. */
  readonly clock?: Clock;
  /** Gets what event handlers throw; silent when not given. */
  readonly log?: Logger;
}

/** PEM texts: a certificate, its chain behind it, and its key. */
export interface TlsPair {
  readonly cert: string;
  readonly key: string;
}

/** Where listeners get their certificate. */
export interface TlsSource {
  /** The one to use now. It was checked: the two fit, and the runtime takes them. */
  readonly pair: TlsPair;
  /** Tells when `pair` is another one, until disposed. Handshakes from then on use it; open connections stay. */
  onChange(run: () => void): Disposable;
}

export interface ListenAt extends ConnOptions {
  /** `localhost`: 127.0.0.1 and, where the machine has it, ::1. */
  readonly hostname: string;
  /** 0: any free port. */
  readonly port: number;
  /**
   * A path: listens on a unix socket there in place of `hostname` and `port`. Its owner and group may connect (0660);
   * a file that a dead process left is replaced, and ours is removed when accepting stops.
   */
  readonly unix?: string;
  /**
   * The next process may listen here before this one stops. A port is then shared by those that all say so (and have one
   * user): the kernel gives each some of the new connections. A unix socket's path goes over to the process that comes
   * last. Connections that nobody has taken when a process leaves a port are reset, unless Linux has
   * `net.ipv4.tcp_migrate_req=1`; on a unix socket none is. Default false: somebody listening is an error.
   */
  readonly reusePort?: boolean;
  /** Speaks TLS, but not on a unix socket. A handshake has 5 s (12 s for HTTP on Bun). */
  readonly tls?: TlsSource;
  /**
   * Which peers are proxies? Those on TCP must begin with a PROXY protocol header (version 2), and `remote` is the
   * client's address; not with `tls`. On HTTP see comm/forwarded.ts.
   */
  readonly isProxy?: (ip: string) => boolean;
}

/**
 * Listens for TCP frames. Both addresses of `localhost` are bound. @throws {ImError} CONFIG when the port is taken, or
 * somebody listens on the unix socket, and that one or we do not share it (`reusePort`).
 */
export type ListenTcp = (at: ListenAt, accept: Accept) => Promise<Listening>;

/** What a hono route gets as `c.env`: turns its request into a WebSocket, or undefined when this is no upgrade. */
export interface HttpEnv {
  /** Peer address without port; `unix` for a unix socket. */
  readonly remoteIp: string;
  /** `ip:port` of the peer, or `unix`. */
  readonly remote: string;
  /** Did the request come over TLS? */
  readonly secure: boolean;
  /**
   * Completes the handshake; the response must be returned by the route. Call it at most once, and before the route
   * waits for anything: Bun loses bytes that came with the request otherwise. A request that is no upgrade gets 400:
   * the route has to look first.
   */
  upgrade(request: Request, accept: Accept): Response;
}

/** A hono app's `fetch`. */
export type Fetch = (request: Request, env: HttpEnv) => Response | Promise<Response>;

/**
 * Serves a fetch handler over HTTP/1.1, with upgrades. Requests must bring their headers within 8 KiB and 5 s (Bun
 * has its own 12 s). @throws {ImError} CONFIG when the port is taken.
 */
export type ServeHttp = (at: ListenAt, fetch: Fetch) => Promise<Listening>;

export interface DialOptions extends ConnOptions {
  /** From the first look at the name to the end of the handshake; 10 s when not given. */
  readonly timeoutMs?: number;
  /** PEM: the certificates that sign servers' ones, in place of the usual authorities. */
  readonly ca?: string;
}

/**
 * Opens a connection to `ws://…`, `wss://…`, `tcp://host:port`, `tls://host:port`, or on a unix socket `ws+unix:/path` or
 * `tcp+unix:/path`. @throws {ImError} TIMEOUT or CLOSED with the runtime's error as cause.
 */
export type Dial = (url: string, events: (conn: Conn) => ConnEvents, options?: DialOptions) => Promise<Conn>;

/** What this process uses of the machine. */
export interface Usage {
  readonly rssBytes: number;
  /** User and system time since the start. */
  readonly cpuMicros: number;
}

/**
 * One JavaScript module for browsers, minified, from a TypeScript file (an absolute path) and all it imports.
 * @throws {ImError} CONFIG: it cannot be made; Deno fetches its bundler at the first time, which needs the network.
 */
export type Bundle = (entry: string) => Promise<string>;

/** What `#runtime` gives, the same on Bun and on Deno. */
export interface Runtime {
  readonly name: "bun" | "deno";
  readonly version: string;
  readonly listenTcp: ListenTcp;
  readonly serveHttp: ServeHttp;
  readonly dial: Dial;
  /** A function that signs with the UTF-8 bytes of this secret. */
  hmacSha256(secret: string): (data: Uint8Array) => Uint8Array;
  /** From the system's secure source. */
  randomBytes(count: number): Uint8Array;
  usage(): Usage;
  readonly bundle: Bundle;
}
