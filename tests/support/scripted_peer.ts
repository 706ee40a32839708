import { connect, createServer, type Server, type Socket } from "node:net";
import { encodePlain, type Plain } from "../vectors/reflect.ts";
import wire from "../vectors/wire.json" with { type: "json" };

/**
 * One end of a link that knows only what proto/WIRE.md says: TCP frames cut by hand, packets from the vectors or from
 * protobufjs by reflection. Nothing of src/ is used.
 */
export class ScriptedPeer implements AsyncDisposable {
  /** Packets and handshakes that came, in hex, oldest first. */
  readonly frames: string[] = [];
  /** Transport pings that came; each is answered. */
  pings = 0;
  pongs = 0;
  ended = false;
  readonly #socket: Socket;
  #rest = new Uint8Array(0);
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => typeof bytes !== "string" && this.#data(bytes));
    socket.on("error", () => {}); // "close" follows
    socket.on("close", () => {
      this.ended = true;
      this.#wake();
    });
  }

  static async connect(port: number): Promise<ScriptedPeer> {
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return new ScriptedPeer(socket);
  }

  /** A data frame around these bytes. */
  send(hex: string): void {
    this.frame(2, hex);
  }

  frame(opcode: number, hex = ""): void {
    const head = new Uint8Array(5);
    const view = new DataView(head.buffer);
    view.setUint8(0, opcode);
    view.setUint32(1, hex.length / 2);
    this.#socket.write(Uint8Array.fromHex(head.toHex() + hex));
  }

  /** The oldest packet that was not taken yet. @throws {Error} after 10 s without one, or when the peer is gone. */
  async next(): Promise<string> {
    await this.until(() => this.frames.length > 0);
    return this.frames.shift()!;
  }

  /** @throws {Error} after 10 s, or when the peer is gone first. */
  async until(isSo: () => boolean): Promise<void> {
    const deadline = Date.now() + 10_000;
    while (!isSo()) {
      if (this.ended) throw new Error(`The link ended while waiting for: ${isSo}`);
      if (Date.now() > deadline) throw new Error(`Nothing came in 10 s; waiting for: ${isSo}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    while (!this.ended) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  #data(bytes: Uint8Array): void {
    const all = new Uint8Array(this.#rest.length + bytes.length);
    all.set(this.#rest);
    all.set(bytes, this.#rest.length);
    let at = 0;
    while (all.length - at >= 5) {
      const end = at + 5 + new DataView(all.buffer).getUint32(at + 1);
      if (end > all.length) break;
      const payload = all.slice(at + 5, end).toHex();
      const opcode = all[at]!;
      if (opcode === 9) {
        this.pings++;
        this.frame(10, payload);
      } else if (opcode === 10) this.pongs++;
      else if (opcode !== 8) this.frames.push(payload);
      at = end;
    }
    this.#rest = all.slice(at);
    this.#wake();
  }
}

/** Listens like a chat server; the connections that came. */
export class ScriptedListener implements AsyncDisposable {
  readonly peers: ScriptedPeer[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => this.peers.push(new ScriptedPeer(socket)));
  }

  static async start(): Promise<ScriptedListener> {
    const listener = new ScriptedListener(createServer({ noDelay: true }));
    await new Promise<void>((resolve) => listener.#server.listen(0, "127.0.0.1", resolve));
    return listener;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** The n-th connection, from 0. */
  async peer(n: number): Promise<ScriptedPeer> {
    for (const deadline = Date.now() + 10_000; this.peers.length <= n && Date.now() < deadline;) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const peer = this.peers[n];
    if (!peer) throw new Error(`Connection ${n} did not come in 10 s`);
    return peer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.peers) await peer[Symbol.asyncDispose]();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }
}

/** A vector's bytes, without the frame where it has one. */
export function vectorHex(name: string): string {
  const row = rowOf(name);
  return row.kind === "tcpFrame" ? row.hex.slice(10) : row.hex;
}

/** A logic packet's bytes, written by protobufjs from its fields. */
export function packetHex(header: Plain, bodyType?: string, body?: Plain): string {
  const head = encodePlain("Header", header).toHex();
  const rest = bodyType ? encodePlain(bodyType, body ?? {}).toHex() : "";
  return `c311a365${u32(head.length / 2)}${head}${u32(rest.length / 2)}${rest}`;
}

/** A logic packet of the vectors with some texts replaced, wherever they are. */
export function vectorWith(name: string, texts: Readonly<Record<string, string>>): string {
  const replaced = (value: unknown): unknown => {
    if (typeof value === "string") return texts[value] ?? value;
    if (Array.isArray(value)) return value.map(replaced);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, replaced(one)]));
  };
  const { header, bodyType, body } = replaced(rowOf(name).input) as { header: Plain; bodyType?: string; body?: Plain };
  return packetHex(header, bodyType, body);
}

/** `dest.channels` and `dest.server` as KIM writes them. */
export function downMetas(channels: string, server: string): Plain[] {
  return [["dest.channels", channels], ["dest.server", server]].map(([key, value]) => ({ key, value, type: 1 }));
}

/** `app`, `account` and `dest.server` as KIM writes them. */
export function upMetas(account: string, server: string): Plain[] {
  return [["app", "kim"], ["account", account], ["dest.server", server]]
    .map(([key, value]) => ({ key, value, type: 1 }));
}

function rowOf(name: string): { readonly kind: string; readonly input: Plain; readonly hex: string } {
  const row = wire.find((one) => one.name === name);
  if (!row) throw new Error(`There is no vector ${name}`);
  return row as { kind: string; input: Plain; hex: string };
}

function u32(value: number): string {
  return value.toString(16).padStart(8, "0");
}
