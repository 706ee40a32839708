import { connect, type Socket as NetSocket } from "node:net";
import { dial, listenTcp, serveHttp } from "#runtime";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import type { Accept, ConnOptions, Listening } from "../../src/comm/ports.ts";
import { MemoryNet, type PipeEnd } from "../../src/runtime/memory/mod.ts";
import { Raw, until, type Wiring } from "./listen_support.ts";

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

/** Sockets of the runtime these tests run on. */
export function real(transport: "tcp" | "ws"): Wiring {
  return {
    name: `real ${transport}`,
    transport,
    kernelBytes: 16 << 20,
    speed: 1,
    listen: (accept, options) =>
      transport === "tcp" ? listenTcp({ ...LOCAL, ...options }, accept) : serve(accept, options),
    dial,
    raw: async (url) => {
      const raw = new NetRaw(Number(new URL(url.replace(/^\w+:/, "http:")).port));
      if (transport === "ws") await raw.handshake();
      return raw;
    },
  };
}

/** An HTTP server whose only route upgrades. */
async function serve(accept: Accept, options?: ConnOptions): Promise<Listening> {
  const listening = await serveHttp({ ...LOCAL, ...options }, (request, env) => env.upgrade(request, accept));
  return { ...listening, url: listening.url.replace("http:", "ws:") };
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

  constructor(port: number, hostname = "127.0.0.1") {
    super();
    this.socket = connect({ port, host: hostname, allowHalfOpen: true });
    this.socket.setNoDelay(true);
    this.socket.on("data", (bytes: Uint8Array) => this.take(new Uint8Array(bytes)));
    this.socket.on("end", () => void (this.ended = true));
    this.socket.on("error", () => {}); // "close" follows
    this.socket.on("close", () => void (this.closed = true));
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
