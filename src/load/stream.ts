import net from "node:net";
import tls from "node:tls";

/** What a stream tells. `data` bytes are valid during the call only; `closed` comes once, last. */
export interface StreamEvents {
  data(bytes: Uint8Array): void;
  closed(): void;
}

/** One TCP connection of a client. */
export interface Stream {
  /** Takes everything. What the kernel does not take at once is copied and sent later; so `bytes` may be reused. */
  write(bytes: Uint8Array): void;
  /** Bytes taken and not yet with the kernel. */
  readonly waiting: number;
  /** Lets waiting bytes leave, then closes. */
  end(): void;
  destroy(): void;
  /** Stops reading, so that the server feels a slow reader. */
  pause(): void;
  resume(): void;
}

/** Where to connect; `localAddress` picks the source address (127.0.0.x when one address has too few ports). */
export interface StreamTarget {
  readonly host: string;
  readonly port: number;
  /** With TLS, whatever the certificate: the tool measures, it keeps no secrets. */
  readonly tls?: boolean;
  readonly localAddress?: string | undefined;
}

/**
 * Opens a TCP connection without Nagle delay. On Bun its own sockets are used: a third cheaper per read and write than
 * its node:net, and the client shares the machine with the server; not with TLS. @throws {Error} with the reason, e.g. ECONNREFUSED.
 */
export function openStream(target: StreamTarget, events: StreamEvents): Promise<Stream> {
  const bun = (globalThis as { Bun?: BunTcp }).Bun;
  return bun === undefined || target.localAddress !== undefined || target.tls
    ? openNode(target, events)
    : openBun(bun, target, events);
}

/** The part of Bun that is used, so that this file type-checks on both runtimes. */
interface BunTcp {
  connect(options: {
    hostname: string;
    port: number;
    data: BunStream;
    socket: typeof BUN_EVENTS;
  }): Promise<BunSocket>;
}

interface BunSocket {
  readonly data: BunStream;
  write(bytes: Uint8Array): number;
  end(): void;
  terminate(): void;
  pause(): void;
  resume(): void;
  setNoDelay(on: boolean): void;
}

class BunStream implements Stream {
  readonly events: StreamEvents;
  socket: BunSocket | undefined;
  waiting = 0;
  readonly #tail: Uint8Array[] = [];
  #ending = false;
  #closed = false;

  constructor(events: StreamEvents) {
    this.events = events;
  }

  // hot: per flush
  write(bytes: Uint8Array): void {
    if (this.#closed || this.#ending || this.socket === undefined) return;
    let taken = 0;
    if (this.waiting === 0) {
      taken = Math.max(0, this.socket.write(bytes));
      if (taken === bytes.length) return;
    }
    this.#tail.push(bytes.slice(taken));
    this.waiting += bytes.length - taken;
  }

  drain(): void {
    while (this.#tail.length > 0) {
      const first = this.#tail[0]!;
      const taken = Math.max(0, this.socket!.write(first));
      this.waiting -= taken;
      if (taken < first.length) {
        this.#tail[0] = first.subarray(taken);
        return;
      }
      this.#tail.shift();
    }
    if (this.#ending) this.socket!.end();
  }

  end(): void {
    this.#ending = true;
    if (this.waiting === 0) this.socket?.end();
  }

  destroy(): void {
    this.socket?.terminate();
    this.close();
  }

  pause(): void {
    this.socket?.pause();
  }

  resume(): void {
    this.socket?.resume();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.events.closed();
  }
}

const BUN_EVENTS = {
  open(socket: BunSocket): void {
    socket.data.socket = socket;
    socket.setNoDelay(true);
  },
  data(socket: BunSocket, bytes: Uint8Array): void {
    socket.data.events.data(bytes);
  },
  drain(socket: BunSocket): void {
    socket.data.drain();
  },
  end(socket: BunSocket): void {
    socket.end();
  },
  close(socket: BunSocket): void {
    socket.data.close();
  },
  error(socket: BunSocket): void {
    socket.data.close(); // a reset: the close event may not follow
  },
};

async function openBun(bun: BunTcp, target: StreamTarget, events: StreamEvents): Promise<Stream> {
  const stream = new BunStream(events);
  try {
    await bun.connect({ hostname: target.host, port: target.port, data: stream, socket: BUN_EVENTS });
  } catch (cause) {
    throw new Error(`Cannot connect to ${target.host}:${target.port}: ${reason(cause)}`, { cause });
  }
  return stream;
}

function openNode(target: StreamTarget, events: StreamEvents): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const to = {
      host: target.host,
      port: target.port,
      noDelay: true,
      ...(target.localAddress === undefined ? {} : { localAddress: target.localAddress }),
    };
    const socket = target.tls ? tls.connect({ ...to, rejectUnauthorized: false }) : net.connect(to);
    let failure: Error | undefined;
    let open = false;
    socket.on("data", (bytes: Uint8Array) => events.data(bytes));
    socket.on("error", (error: Error) => failure = error);
    socket.on("close", () => {
      if (open) events.closed();
      else {
        const why = failure === undefined ? "closed" : reason(failure);
        reject(new Error(`Cannot connect to ${target.host}:${target.port}: ${why}`, { cause: failure }));
      }
    });
    socket.once(target.tls ? "secureConnect" : "connect", () => {
      open = true;
      resolve({
        // node:net keeps the bytes until they have left, so it must own them
        write: (bytes) => void (socket.destroyed || socket.writableEnded || socket.write(bytes.slice())),
        get waiting() {
          return socket.writableLength;
        },
        end: () => void socket.end(),
        destroy: () => void socket.destroy(),
        pause: () => void socket.pause(),
        resume: () => void socket.resume(),
      });
    });
  });
}

function reason(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | undefined)?.code;
  if (typeof code === "string") return code;
  return thrown instanceof Error ? thrown.message : String(thrown);
}
