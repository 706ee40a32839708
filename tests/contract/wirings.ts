import { connect, type Socket as NetSocket } from "node:net";
import { tmpdir } from "node:os";
import process from "node:process";
import { dial, listenTcp, serveHttp } from "#runtime";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import type { Accept, ConnOptions, ListenAt, Listening } from "../../src/comm/ports.ts";
import { MemoryNet, type PipeEnd } from "../../src/runtime/memory/mod.ts";
import { CA, certificate } from "../support/certificates.ts";
import { Raw, until, type Wiring } from "./listen_support.ts";
import { tlsStream } from "./tls_stream.ts";

/** The system's clock, so many times faster: waiting for deadlines is most of what the suite does. */
function faster(speed: number): Clock {
  return {
    now: () => systemClock.now() * speed,
    mono: () => systemClock.mono() * speed,
    after: (ms, run) => systemClock.after(ms / speed, run),
    every: (ms, run) => systemClock.every(ms / speed, run),
    endOfTick: systemClock.endOfTick,
  };
}

const LOCAL = { hostname: "127.0.0.1", port: 0 } as const;

/** Pipes; pieces are cut at places that `seed` chooses, or not at all. */
export function memory(transport: "tcp" | "ws", seed?: number): Wiring {
  const kernelBytes = 16 << 10;
  let state = seed ?? 0;
  const cut = (waiting: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 8) % 3 === 0 ? 1 + (state >> 10) % 7 : 1 + (state >> 10) % waiting;
  };
  const speed = 4;
  const clock = faster(speed);
  const net = new MemoryNet(seed === undefined ? { kernelBytes, clock } : { kernelBytes, clock, cut });
  return {
    name: `memory ${transport}${seed === undefined ? "" : `, cut by ${seed}`}`,
    transport,
    remote: /^127\.0\.0\.1:\d+$/,
    kernelBytes,
    speed,
    listen: (accept, options) =>
      transport === "tcp"
        ? net.listenTcp({ ...LOCAL, ...options }, accept)
        : net.listenWs({ ...LOCAL, ...options }, accept),
    dial: net.dial,
    raw: (url) => Promise.resolve(new PipeRaw(net, url)),
  };
}

/** What carries the bytes of real sockets. */
export type Carrier = "plain" | "tls" | "unix";

/** Sockets of the runtime these tests run on. */
export function real(transport: "tcp" | "ws", carrier: Carrier = "plain"): Wiring {
  return {
    name: `real ${transport}${carrier === "plain" ? "" : `, ${carrier}`}`,
    transport,
    remote: carrier === "unix" ? /^unix$/ : /^127\.0\.0\.1:\d+$/,
    kernelBytes: 16 << 20,
    speed: 1,
    listen: (accept, options) => {
      const at = { ...placeOf(carrier), ...options };
      return transport === "tcp" ? listenTcp(at, accept) : serve(accept, at);
    },
    dial: (url, events, options) => dial(url, events, { ca: CA, ...options }),
    raw: async (url) => {
      const raw = await NetRaw.at(url);
      if (transport === "ws") await raw.handshake();
      return raw;
    },
  };
}

let sockets = 0;

/** Where to listen: a free port, or a unix socket of its own. */
export function placeOf(carrier: Carrier): ListenAt {
  if (carrier === "tls") return { ...LOCAL, tls: certificate("first") };
  if (carrier === "unix") return { hostname: "", port: 0, unix: `${tmpdir()}/petrel-${process.pid}-${++sockets}.sock` };
  return LOCAL;
}

/** An HTTP server whose only route upgrades. */
async function serve(accept: Accept, at: ListenAt & ConnOptions): Promise<Listening> {
  const listening = await serveHttp(at, (request, env) => env.upgrade(request, accept));
  return { ...listening, url: listening.url.replace(/^http/, "ws") };
}

class PipeRaw extends Raw {
  readonly #end: PipeEnd;
  constructor(net: MemoryNet, url: string) {
    super();
    this.#end = net.open(url, () => ({
      data: (bytes) => this.take(bytes),
      drained: () => {},
      closed: () => void (this.closed = true),
    }));
  }
  write(bytes: Uint8Array): void {
    this.#end.write(bytes);
  }
  pause(): void {
    this.#end.pause();
  }
  resume(): void {
    this.#end.resume();
  }
  end(): void {
    this.#end.end();
  }
  destroy(): void {
    this.#end.destroy();
  }
}

/** `node:net`, which both runtimes have. */
export class NetRaw extends Raw {
  readonly socket: NetSocket;

  constructor(to: number | NetSocket, hostname = "127.0.0.1") {
    super();
    this.socket = typeof to === "number" ? connect({ port: to, host: hostname, allowHalfOpen: true }) : to;
    this.socket.setNoDelay(true);
    this.socket.on("data", (bytes: Uint8Array) => this.take(new Uint8Array(bytes)));
    this.socket.on("end", () => void (this.ended = true));
    this.socket.on("error", () => {}); // "close" follows
    this.socket.on("close", () => void (this.closed = true));
  }

  /** To what listens at a URL of any kind. */
  static async at(url: string): Promise<NetRaw> {
    const { protocol, pathname } = new URL(url);
    if (protocol.includes("+unix")) {
      return new NetRaw(connect({ path: decodeURIComponent(pathname), allowHalfOpen: true }));
    }
    const port = Number(/:(\d+)/.exec(url)![1]);
    return new NetRaw(/^(tls|wss|https):/.test(protocol) ? await tlsStream(port) : port);
  }

  /** Becomes a WebSocket; `behind` goes out in the same write. Gives the response's head. */
  async handshake(behind: Uint8Array = new Uint8Array(0), headers: readonly string[] = []): Promise<string> {
    const lines = ["GET /any/path?x=1 HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"];
    lines.push("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", ...headers);
    const head = new TextEncoder().encode(lines.join("\r\n") + "\r\n\r\n");
    const all = new Uint8Array(head.length + behind.length);
    all.set(head);
    all.set(behind, head.length);
    this.write(all);
    let end = -1;
    await until(() => (end = this.#headEnd()) > 0 || this.closed, "the response's head came");
    const answer = new TextDecoder().decode(this.received.subarray(0, end));
    this.forget(end);
    return answer;
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }
  pause(): void {
    this.socket.pause();
  }
  resume(): void {
    this.socket.resume();
  }
  end(): void {
    this.socket.end();
  }
  destroy(): void {
    this.socket.destroy();
  }

  #headEnd(): number {
    const end = new TextDecoder("latin1").decode(this.received).indexOf("\r\n\r\n");
    return end < 0 ? -1 : end + 4;
  }
}
