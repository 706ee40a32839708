import { createHash, randomBytes } from "node:crypto";
import { Buffer } from "node:buffer";
import { clientFrame, FrameReader, type FrameSink, OPCODE, type Transport } from "./frames.ts";
import { openStream, type Stream, type StreamEvents } from "./stream.ts";

/** Who handles what a connection receives. `bytes` are valid during the call only. */
export interface WireSink {
  /** A read begins: before its packets. */
  begin?(): void;
  /** The payload of one data frame: `bytes[start, end)`. */
  packet(bytes: Uint8Array, start: number, end: number): void;
  /** The read is done: after its packets. */
  done?(): void;
  /** Once, last. */
  closed(why: string): void;
}

/** A server address: `ws://host:port/path` or `tcp://host:port`, or with TLS `wss://` and `tls://`. */
export interface ServerUrl {
  readonly transport: Transport;
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly text: string;
}

/** @throws {Error} when it is none of these. */
export function parseServerUrl(text: string): ServerUrl {
  const match = /^(wss?|tcp|tls):\/\/(\[[0-9a-fA-F:]+\]|[^:/]+)(?::(\d+))?(\/.*)?$/.exec(text);
  if (match === null) throw new Error(`Cannot use ${text}: expected ws://host:port/path or tcp://host:port`);
  const [, scheme, host, port, path] = match;
  return {
    transport: scheme!.startsWith("ws") ? "ws" : "tcp",
    tls: scheme === "wss" || scheme === "tls",
    host: host!.replace(/^\[|\]$/g, ""),
    port: Number(port ?? { ws: 80, wss: 443, tcp: 8001, tls: 8001 }[scheme!]),
    path: path ?? "/",
    text,
  };
}

export interface OpenOptions {
  readonly timeoutMs?: number;
  readonly localAddress?: string | undefined;
}

/**
 * One client connection that carries packets, over WebSocket or TCP frames. Answers transport pings and close frames
 * by itself; everything else is the sink's.
 */
export class WireConn implements FrameSink, StreamEvents {
  readonly url: ServerUrl;
  /** Mask of this connection's frames; random, one per connection: prepared frames stay valid. */
  readonly maskKey: Uint8Array = randomBytes(4);
  sink: WireSink;
  /** "" while open. */
  closedWhy = "";
  #stream: Stream | undefined;
  readonly #reader: FrameReader;
  #upgrade: Upgrade | undefined;
  #said = "";

  private constructor(url: ServerUrl, sink: WireSink) {
    this.url = url;
    this.sink = sink;
    this.#reader = new FrameReader(url.transport, this);
  }

  /** Connects, and on WebSocket completes the upgrade. @throws {Error} saying what failed. */
  static async open(url: ServerUrl, sink: WireSink, options: OpenOptions = {}): Promise<WireConn> {
    const conn = new WireConn(url, sink);
    const timeoutMs = options.timeoutMs ?? 10_000;
    let late = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        late = true;
        conn.destroy();
        reject(new Error(`Cannot connect to ${url.text}: no answer in ${timeoutMs} ms`));
      }, timeoutMs);
    });
    const connected = (async () => {
      conn.#stream = await openStream({ ...url, localAddress: options.localAddress }, conn);
      if (late) conn.#stream.destroy();
      else if (url.transport === "ws") await conn.#shakeHands();
    })();
    connected.catch(() => {}); // after the deadline nobody waits for it any more
    try {
      await Promise.race([connected, deadline]);
    } finally {
      clearTimeout(timer);
    }
    return conn;
  }

  get transport(): Transport {
    return this.url.transport;
  }

  /** Bytes the kernel has not taken yet. */
  get waiting(): number {
    return this.#stream?.waiting ?? 0;
  }

  /** Frames one packet and writes it at once. */
  send(packet: Uint8Array): void {
    this.write(clientFrame(this.transport, OPCODE.BINARY, packet, this.maskKey));
  }

  /** Writes bytes that are already framed, or deliberately wrong. They may be reused afterwards. */
  write(bytes: Uint8Array): void {
    if (this.closedWhy === "") this.#stream?.write(bytes);
  }

  /** Says goodbye with a close frame and ends. */
  close(): void {
    if (this.closedWhy !== "") return;
    const payload = this.transport === "ws" ? Uint8Array.of(0x03, 0xe8) : new Uint8Array(0);
    this.write(clientFrame(this.transport, OPCODE.CLOSE, payload, this.maskKey));
    this.#said ||= "closed by this client";
    this.#stream?.end();
  }

  /** Drops the connection without a word. */
  destroy(): void {
    this.#said ||= "dropped by this client";
    this.#stream?.destroy();
  }

  /** Stops and resumes reading. */
  pause(): void {
    this.#stream?.pause();
  }
  resume(): void {
    this.#stream?.resume();
  }

  // hot: per read
  data(bytes: Uint8Array): void {
    let rest = bytes;
    if (this.#upgrade !== undefined) {
      const left = this.#upgrade.take(bytes);
      if (left === undefined) return;
      this.#upgrade = undefined;
      rest = left;
    }
    this.sink.begin?.();
    try {
      this.#reader.push(rest);
    } catch (error) {
      this.#said = error instanceof Error ? error.message : String(error);
      this.#stream?.destroy();
    }
    this.sink.done?.();
  }

  // hot: per frame
  frame(opcode: number, bytes: Uint8Array, start: number, end: number): void {
    if (opcode === OPCODE.BINARY) {
      if (end > start) this.sink.packet(bytes, start, end);
    } else if (opcode === OPCODE.PING) {
      this.write(clientFrame(this.transport, OPCODE.PONG, bytes.subarray(start, end), this.maskKey));
    } else if (opcode === OPCODE.CLOSE) {
      this.#said ||= closeText(this.transport, bytes.subarray(start, end));
      this.write(
        clientFrame(this.transport, OPCODE.CLOSE, bytes.subarray(start, Math.min(end, start + 2)), this.maskKey),
      );
      this.#stream?.end();
    } else if (opcode !== OPCODE.PONG) {
      throw new Error(`Server sent a frame with opcode ${opcode}, packets come in single binary frames`);
    }
  }

  closed(): void {
    if (this.closedWhy !== "") return;
    this.closedWhy = this.#said || "connection lost";
    this.#upgrade?.closed();
    this.sink.closed(this.closedWhy);
  }

  #shakeHands(): Promise<void> {
    const key = randomBytes(16).toString("base64");
    const { host, port, path } = this.url;
    return new Promise((resolve, reject) => {
      this.#upgrade = new Upgrade(key, (problem) => {
        if (problem === "") return resolve();
        this.destroy();
        reject(new Error(`Cannot open ${this.url.text}: ${problem}`));
      });
      const at = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
      this.#stream!.write(Buffer.from(
        `GET ${path} HTTP/1.1\r\nHost: ${at}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
        "latin1",
      ));
    });
  }
}

/** Waits for the 101 and checks it. */
class Upgrade {
  readonly #accept: string;
  readonly #finish: (problem: string) => void;
  #head = "";

  constructor(key: string, finish: (problem: string) => void) {
    this.#accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    this.#finish = finish;
  }

  /** The bytes after the head, once it is complete. */
  take(bytes: Uint8Array): Uint8Array | undefined {
    const before = this.#head.length;
    this.#head += Buffer.from(bytes).toString("latin1");
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    this.#finish(this.#problem(this.#head.slice(0, end)));
    return bytes.slice(end + 4 - before);
  }

  closed(): void {
    this.#finish("closed before the upgrade was answered");
  }

  #problem(head: string): string {
    const [status, ...lines] = head.split("\r\n");
    if (!/^HTTP\/1\.1 101/.test(status ?? "")) return `answered ${status}`;
    const accept = lines.find((line) => /^sec-websocket-accept:/i.test(line))?.split(":")[1]?.trim();
    return accept === this.#accept ? "" : "wrong Sec-WebSocket-Accept";
  }
}

function closeText(transport: Transport, payload: Uint8Array): string {
  const text = Buffer.from(transport === "ws" ? payload.subarray(2) : payload).toString("utf8");
  if (transport === "tcp") return text === "" ? "closed by the server" : `server said: ${text}`;
  return payload.length < 2 ? "closed by the server" : `server said: ${payload[0]! << 8 | payload[1]!} ${text}`.trim();
}
