import { expect } from "bun:test";
import type { LogFields, Logger } from "../../src/base/logger.ts";
import type { Accept, Conn, ConnEvents, ConnOptions, Dial, Listening } from "../../src/comm/ports.ts";
import type { CloseReason } from "../../src/protocol/close_reason.ts";
import { encodeFrame, FrameDecoder, OPCODE } from "../../src/protocol/frame.ts";
import { wsFrame } from "../../src/protocol/ws_frame.ts";

/** One way of joining two ends, for the contract suite. */
export interface Wiring {
  readonly name: string;
  readonly transport: "tcp" | "ws";
  /** What a peer's `remote` looks like. */
  readonly remote: RegExp;
  listen(accept: Accept, options?: ConnOptions): Promise<Listening>;
  readonly dial: Dial;
  /** A client without our code; a WebSocket's handshake is behind it. */
  raw(url: string): Promise<Raw>;
  /** Bytes that may disappear in the kernel's buffers before a write is "queued". */
  readonly kernelBytes: number;
  /** Its clock runs so many times faster. */
  readonly speed: number;
}

/** A byte stream that shows what it got. */
export abstract class Raw {
  #pieces: Uint8Array[] = [];
  #size = 0;
  ended = false;
  closed = false;
  abstract write(bytes: Uint8Array): void;
  abstract pause(): void;
  abstract resume(): void;
  abstract end(): void;
  abstract destroy(): void;

  get receivedBytes(): number {
    return this.#size;
  }

  /** Everything that came, in one piece. */
  get received(): Uint8Array {
    const all = new Uint8Array(this.#size);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    this.#pieces = [all];
    return all;
  }

  /** Forgets the first bytes of what came. */
  forget(count: number): void {
    this.#pieces = [this.received.slice(count)];
    this.#size -= count;
  }

  protected take(bytes: Uint8Array): void {
    this.#pieces.push(bytes.slice());
    this.#size += bytes.length;
  }
}

/** Everything a connection told, in order. */
export class Probe implements ConnEvents {
  conn!: Conn;
  readonly packets: Uint8Array[] = [];
  alives = 0;
  pings = 0;
  drains = 0;
  readonly closes: CloseReason[] = [];
  /** Events after `closed`, which must not be. */
  late = 0;
  onPacket: ((bytes: Uint8Array) => void) | undefined;
  onAlive: (() => void) | undefined;
  onDrained: (() => void) | undefined;

  packet(bytes: Uint8Array): void {
    this.#check();
    this.packets.push(bytes.slice());
    this.onPacket?.(bytes);
  }
  alive(): void {
    this.#check();
    this.alives++;
    this.onAlive?.();
  }
  pinged(): void {
    this.#check();
    this.pings++;
  }
  drained(): void {
    this.#check();
    this.drains++;
    this.onDrained?.();
  }
  closed(why: CloseReason): void {
    this.#check();
    this.closes.push(why);
  }

  #check(): void {
    if (this.closes.length > 0) this.late++;
  }
}

/** A listener whose connections are probes. */
export class Bench implements AsyncDisposable {
  readonly probes: Probe[] = [];
  readonly log = new Lines();
  listening!: Listening;
  readonly wiring: Wiring;
  /** Done with each new connection, inside `accept`. */
  readonly #prepare: (probe: Probe) => void;

  constructor(wiring: Wiring, prepare: (probe: Probe) => void) {
    this.wiring = wiring;
    this.#prepare = prepare;
  }

  static async start(wiring: Wiring, prepare: (probe: Probe) => void = () => {}): Promise<Bench> {
    const bench = new Bench(wiring, prepare);
    bench.listening = await wiring.listen((conn) => {
      const probe = new Probe();
      probe.conn = conn;
      bench.probes.push(probe);
      conn.limit(64 << 10);
      bench.#prepare(probe);
      return probe;
    }, { log: bench.log });
    return bench;
  }

  get url(): string {
    return this.listening.url;
  }

  /** Our own client, and the server's end of the same connection. */
  async join(): Promise<{ client: Probe; server: Probe }> {
    const client = new Probe();
    const count = this.probes.length;
    await this.wiring.dial(this.url, (conn) => {
      client.conn = conn;
      return client;
    }, { log: this.log });
    await until(() => this.probes.length > count, "the server accepted");
    return { client, server: this.probes.at(-1)! };
  }

  /** A client without our code, and the server's end. */
  async joinRaw(): Promise<{ raw: Raw; server: Probe }> {
    const count = this.probes.length;
    const raw = await this.wiring.raw(this.url);
    await until(() => this.probes.length > count, "the server accepted");
    return { raw, server: this.probes.at(-1)! };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listening[Symbol.asyncDispose]();
  }
}

/** A logger that keeps what it was told. */
export class Lines implements Logger {
  readonly errors: { message: string; fields: LogFields | undefined }[] = [];
  debug(): void {}
  info(): void {}
  warn(): void {}
  error(message: string, fields?: LogFields): void {
    this.errors.push({ message, fields });
  }
  child(): Logger {
    return this;
  }
}

/** Waits for something that events will bring about. @throws after 4 s. */
export async function until(condition: () => boolean, what: string, withinMs = 4_000): Promise<void> {
  const end = performance.now() + withinMs;
  for (let turns = 0; !condition(); turns++) {
    if (performance.now() > end) throw new Error(`Waited ${withinMs} ms for this: ${what}`);
    await new Promise<void>((resolve) => turns < 50 ? setImmediate(resolve) : setTimeout(resolve, 2));
  }
}

/** Gives everything that is on its way the time to arrive, where nothing is expected to. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const MASK = new Uint8Array([0x37, 0xfa, 0x21, 0x3d]);

/** A frame as a client of this transport sends it. */
export function clientFrame(transport: "tcp" | "ws", opcode: number, payload?: Uint8Array): Uint8Array {
  return transport === "ws" ? wsFrame(opcode, payload, MASK) : encodeFrame(opcode, payload);
}

/** A frame as a server of this transport sends it. */
export function serverFrame(transport: "tcp" | "ws", opcode: number, payload?: Uint8Array): Uint8Array {
  return transport === "ws" ? wsFrame(opcode, payload) : encodeFrame(opcode, payload);
}

/** The frames in what a server sent. */
export function framesIn(transport: "tcp" | "ws", received: Uint8Array): { opcode: number; payload: Uint8Array }[] {
  const frames: { opcode: number; payload: Uint8Array }[] = [];
  if (transport === "tcp") {
    new FrameDecoder(1 << 26).push(
      received,
      (opcode, payload) => void frames.push({ opcode, payload: payload.slice() }),
    );
    return frames;
  }
  for (let at = 0; at + 2 <= received.length;) {
    let length = received[at + 1]! & 127;
    let head = 2;
    const view = new DataView(received.buffer, received.byteOffset + at);
    if (length === 126) [length, head] = [view.getUint16(2), 4];
    else if (length === 127) [length, head] = [Number(view.getBigUint64(2)), 10];
    if (at + head + length > received.length) break;
    frames.push({ opcode: received[at]! & 15, payload: received.slice(at + head, at + head + length) });
    at += head + length;
  }
  return frames;
}

/** The close frame in what a server sent: its code (0 on TCP, which has none) and text. */
export function closeIn(transport: "tcp" | "ws", received: Uint8Array): { code: number; reason: string } | undefined {
  const frame = framesIn(transport, received).find(({ opcode }) => opcode === OPCODE.CLOSE);
  if (!frame) return undefined;
  if (transport === "tcp") return { code: 0, reason: text(frame.payload) };
  if (frame.payload.length < 2) return { code: 1005, reason: "" };
  return { code: frame.payload[0]! << 8 | frame.payload[1]!, reason: text(frame.payload.subarray(2)) };
}

/** Nothing but one close with this reason. */
export async function finished(probe: Probe, why: CloseReason): Promise<void> {
  await pause(10);
  expect(probe.closes).toEqual([why]);
  expect(probe.late).toBe(0);
}

/** How a peer is told a reason: TCP has no codes. */
export function told(why: CloseReason, transport: "tcp" | "ws") {
  return { code: transport === "ws" ? why.code : 0, reason: expect.any(String) };
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
