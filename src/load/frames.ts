/** WebSocket opcodes; TCP frames use the same numbers. Source: proto/WIRE.md "Frames". */
export const OPCODE = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;
export type Transport = "ws" | "tcp";

const MAX_FRAME = 16 << 20;

/** Gets every frame: the payload is `bytes[start, end)`, valid during the call only. */
export interface FrameSink {
  frame(opcode: number, bytes: Uint8Array, start: number, end: number): void;
}

/** Cuts what a server sends into frames. Strict: what RFC 6455 forbids a server to send is an error. */
export class FrameReader {
  readonly #transport: Transport;
  readonly #sink: FrameSink;
  #rest: Uint8Array | undefined;

  constructor(transport: Transport, sink: FrameSink) {
    this.#transport = transport;
    this.#sink = sink;
  }

  /** Takes the next bytes of the stream, cut anywhere. @throws {Error} when the server breaks the framing. */
  // hot: per read
  push(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#rest !== undefined) {
      bytes = new Uint8Array(this.#rest.length + chunk.length);
      bytes.set(this.#rest);
      bytes.set(chunk, this.#rest.length);
      this.#rest = undefined;
    }
    const used = this.#transport === "ws" ? this.#webSocket(bytes) : this.#tcp(bytes);
    if (used < bytes.length) this.#rest = bytes.slice(used);
  }

  #tcp(bytes: Uint8Array): number {
    let at = 0;
    while (bytes.length - at >= 5) {
      const length = (bytes[at + 1]! << 24 | bytes[at + 2]! << 16 | bytes[at + 3]! << 8 | bytes[at + 4]!) >>> 0;
      if (length > MAX_FRAME) throw new Error(`Server sent a TCP frame of ${length} bytes`);
      if (bytes.length - at < 5 + length) break;
      const start = at + 5;
      at = start + length;
      this.#sink.frame(bytes[start - 5]!, bytes, start, at);
    }
    return at;
  }

  #webSocket(bytes: Uint8Array): number {
    let at = 0;
    while (bytes.length - at >= 2) {
      const first = bytes[at]!;
      const second = bytes[at + 1]!;
      if (first < 128 || (first & 0x70) !== 0) {
        throw new Error(`Server broke RFC 6455: first byte ${first.toString(16)}`);
      }
      if (second > 127) throw new Error("Server broke RFC 6455: it masked a frame");
      let start = at + 2;
      let length = second;
      if (second === 126) {
        if (bytes.length - at < 4) break;
        length = bytes[at + 2]! << 8 | bytes[at + 3]!;
        start = at + 4;
      } else if (second === 127) {
        if (bytes.length - at < 10) break;
        length = new DataView(bytes.buffer, bytes.byteOffset + at + 6, 4).getUint32(0);
        if (bytes[at + 2]! + bytes[at + 3]! + bytes[at + 4]! + bytes[at + 5]! > 0) length = Infinity;
        start = at + 10;
      }
      if (length > MAX_FRAME) throw new Error(`Server sent a WebSocket frame of ${length} bytes`);
      if (bytes.length - start < length) break;
      at = start + length;
      this.#sink.frame(first & 15, bytes, start, at);
    }
    return at;
  }
}

/** One client frame: on TCP plain, on WebSocket masked with `key` (4 bytes). */
export function clientFrame(
  transport: Transport,
  opcode: number,
  payload: Uint8Array,
  key: Uint8Array,
): Uint8Array {
  const n = payload.length;
  if (transport === "tcp") {
    const out = new Uint8Array(5 + n);
    out[0] = opcode;
    new DataView(out.buffer).setUint32(1, n);
    out.set(payload, 5);
    return out;
  }
  const start = n < 126 ? 6 : n < 65536 ? 8 : 14;
  const out = new Uint8Array(start + n);
  const view = new DataView(out.buffer);
  out[0] = 128 | opcode;
  out[1] = 128 | (n < 126 ? n : n < 65536 ? 126 : 127);
  if (start === 8) view.setUint16(2, n);
  else if (start === 14) view.setUint32(6, n);
  out.set(key, start - 4);
  for (let i = 0; i < n; i++) out[start + i] = payload[i]! ^ key[i & 3]!;
  return out;
}

/** The frame's payload offset, for patching a prepared frame. */
export function payloadStart(transport: Transport, length: number): number {
  return transport === "tcp" ? 5 : length < 126 ? 6 : length < 65536 ? 8 : 14;
}
