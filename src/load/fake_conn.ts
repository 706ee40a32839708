import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import net from "node:net";
import { OPCODE } from "./frames.ts";

/** A listening port of the fake server. */
export interface FakeListener extends AsyncDisposable {
  readonly port: number;
}

/** A client connection at the fake server: TCP frames or WebSocket, told apart by the first byte. */
export class FakeConn {
  account = "";
  channelId = "";
  readonly #socket: net.Socket;
  readonly #packet: (conn: FakeConn, bytes: Uint8Array) => void;
  #kind: "unknown" | "ws" | "tcp" = "unknown";
  #rest: Buffer = Buffer.alloc(0);
  #out: Uint8Array[] = [];

  constructor(socket: net.Socket, packet: (conn: FakeConn, bytes: Uint8Array) => void) {
    this.#socket = socket;
    this.#packet = packet;
    socket.on("data", (bytes: Buffer) => this.#data(bytes));
    socket.on("error", () => socket.destroy());
  }

  /** Takes a packet; all of a tick leave together. */
  send(packet: Uint8Array): void {
    this.#frame(OPCODE.BINARY, packet);
  }

  /** Writes what was taken. */
  flush(): void {
    if (this.#out.length > 0) this.#socket.write(Buffer.concat(this.#out));
    this.#out = [];
  }

  end(): void {
    this.flush();
    this.#socket.end();
  }

  #frame(opcode: number, payload: Uint8Array): void {
    const n = payload.length;
    const head = this.#kind === "tcp"
      ? [opcode, n >>> 24, n >>> 16 & 255, n >>> 8 & 255, n & 255]
      : n < 126
      ? [128 | opcode, n]
      : n < 65536
      ? [128 | opcode, 126, n >>> 8, n & 255]
      : [128 | opcode, 127, 0, 0, 0, 0, n >>> 24, n >>> 16 & 255, n >>> 8 & 255, n & 255];
    this.#out.push(Uint8Array.from(head), payload);
    if (this.#out.length === 2) setImmediate(() => this.flush());
  }

  #data(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    if (this.#kind === "unknown") {
      if (this.#rest[0] !== 0x47) this.#kind = "tcp";
      else if (!this.#upgrade()) return;
    }
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) {
      const [opcode, payload] = frame;
      if (opcode === OPCODE.PING) this.#frame(OPCODE.PONG, payload);
      else if (opcode === OPCODE.CLOSE) {
        this.#frame(OPCODE.CLOSE, payload);
        this.end();
      } else if (opcode !== OPCODE.PONG && payload.length > 0) this.#packet(this, payload);
    }
  }

  #next(): [opcode: number, payload: Buffer] | undefined {
    const b = this.#rest;
    if (this.#kind === "tcp") {
      if (b.length < 5 || b.length < 5 + b.readUInt32BE(1)) return undefined;
      const end = 5 + b.readUInt32BE(1);
      this.#rest = b.subarray(end);
      return [b[0]!, b.subarray(5, end)];
    }
    if (b.length < 6) return undefined;
    const short = b[1]! & 127;
    const at = short === 126 ? 8 : short === 127 ? 14 : 6;
    if (b.length < at) return undefined;
    const length = short === 126 ? b.readUInt16BE(2) : short === 127 ? b.readUInt32BE(6) : short;
    if (b.length < at + length) return undefined;
    const payload = b.subarray(at, at + length);
    for (let i = 0; i < length; i++) payload[i]! ^= b[at - 4 + (i & 3)]!;
    this.#rest = b.subarray(at + length);
    return [b[0]! & 15, payload];
  }

  #upgrade(): boolean {
    const end = this.#rest.indexOf("\r\n\r\n");
    if (end < 0) return false;
    const head = this.#rest.toString("latin1", 0, end);
    this.#rest = this.#rest.subarray(end + 4);
    const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1];
    if (key === undefined) {
      this.#socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      return false;
    }
    const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    this.#socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    this.#kind = "ws";
    return true;
  }
}

/** Listens on 127.0.0.1; port 0 takes a free one. */
export function listenFake(
  port: number,
  packet: (conn: FakeConn, bytes: Uint8Array) => void,
): Promise<FakeListener> {
  const open = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    new FakeConn(socket, packet);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", 1024, () =>
      resolve({
        port: (server.address() as net.AddressInfo).port,
        [Symbol.asyncDispose]: () =>
          new Promise<void>((done) => {
            server.close(() => done());
            for (const socket of open) socket.destroy();
          }),
      }));
  });
}
