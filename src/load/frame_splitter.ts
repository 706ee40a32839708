import { OPCODE } from "./frames.ts";

const MOST_BYTES = 1 << 20;
const HEAD_END = [13, 10, 13, 10] as const;

/** A piece of a WebSocket connection's stream that is passed on as a whole: its HTTP head, then frame by frame. */
export interface StreamUnit {
  /** As it came, masked or not. */
  readonly raw: Uint8Array;
  /** What a binary frame carries, unmasked; undefined: the HTTP head, or another frame. */
  readonly packet: Uint8Array | undefined;
}

/**
 * Cuts one direction of a WebSocket connection, masked or not, into its units. It believes everything: what is wrong
 * with a frame is for the two ends to find. Source: RFC 6455 §5.2.
 */
export class FrameSplitter {
  readonly #unit: (unit: StreamUnit) => void;
  #rest: Uint8Array = new Uint8Array(0);
  #headPassed = false;

  constructor(unit: (unit: StreamUnit) => void) {
    this.#unit = unit;
  }

  /** Takes the next bytes, cut anywhere. @throws {Error} a unit of more than 1 MiB. */
  push(chunk: Uint8Array): void {
    const bytes = this.#rest = join(this.#rest, chunk);
    let at = 0;
    for (let end = this.#next(bytes, at); end > at; end = this.#next(bytes, at)) {
      const raw = bytes.subarray(at, end);
      const packet = this.#headPassed ? packetOf(raw) : undefined;
      this.#headPassed = true;
      at = end;
      this.#unit({ raw, packet });
    }
    this.#rest = bytes.slice(at);
    if (this.#rest.length > MOST_BYTES) throw new Error(`Cannot pass on: a unit has more than ${MOST_BYTES} bytes`);
  }

  /** Where the unit that begins at `at` ends; `at` itself: it is not all here. */
  #next(bytes: Uint8Array, at: number): number {
    if (this.#headPassed) return frameEnd(bytes, at);
    for (let i = at; i + 4 <= bytes.length; i++) {
      if (HEAD_END.every((byte, j) => bytes[i + j] === byte)) return i + 4;
    }
    return at;
  }
}

function join(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

function frameEnd(bytes: Uint8Array, at: number): number {
  if (bytes.length - at < 2) return at;
  const payload = at + payloadOffset(bytes[at + 1]!);
  if (bytes.length < payload) return at;
  const end = payload + payloadLength(bytes, at);
  return end <= bytes.length ? end : at;
}

/** From a frame's begin to its payload. */
function payloadOffset(second: number): number {
  const short = second & 127;
  return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + (second > 127 ? 4 : 0);
}

function payloadLength(bytes: Uint8Array, at: number): number {
  const short = bytes[at + 1]! & 127;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  return short === 126 ? view.getUint16(2) : short === 127 ? Number(view.getBigUint64(2)) : short;
}

function packetOf(frame: Uint8Array): Uint8Array | undefined {
  if ((frame[0]! & 15) !== OPCODE.BINARY) return undefined;
  const start = payloadOffset(frame[1]!);
  const payload = frame.slice(start);
  if (frame[1]! > 127) { for (let i = 0; i < payload.length; i++) payload[i]! ^= frame[start - 4 + (i & 3)]!; }
  return payload;
}
