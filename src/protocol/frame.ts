import { allocate } from "../base/bytes.ts";
import { ImError } from "../base/errors.ts";
import { Grower } from "./grower.ts";
import { NO_BODY } from "./packet.ts";

/** Frame opcodes of both transports (RFC 6455 section 5.2). On TCP everything but CLOSE, PING and PONG is data. */
export const OPCODE = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;

/** Bytes before a frame's payload. */
export const FRAME_HEAD = 5;

/**
 * TCP frames: `opcode u8 | length u32 big-endian | payload`. Source: proto/WIRE.md "TCP frame".
 * Takes the next bytes of the stream, cut anywhere, and tells the frames they complete.
 */
export class FrameDecoder {
  #maxBytes: number;
  /** The frame that is not complete: its head, then its payload as far as it came. */
  #head: Uint8Array | undefined;
  #headBytes = 0;
  readonly #payload = new Grower();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The largest payload of frames that begin from now on. May be called from `onFrame`. */
  limit(maxBytes: number): void {
    this.#maxBytes = maxBytes;
  }

  /**
   * `payload` is only valid during the call: a view into `chunk`, or, of a frame that came in pieces, a buffer that
   * grew with them.
   * @throws {ImError} FRAME_TOO_LARGE, before allocating. Drop the connection. What `onFrame` throws comes through.
   */
  push(chunk: Uint8Array, onFrame: (opcode: number, payload: Uint8Array) => void): void {
    // hot: per read
    let at = this.#head === undefined ? 0 : this.#resume(chunk, onFrame);
    while (at < chunk.length) {
      const payload = at + FRAME_HEAD;
      if (payload > chunk.length) return this.#keep(chunk, at, chunk.length);
      const length = this.#length(chunk, at);
      const end = payload + length;
      if (end > chunk.length) {
        this.#keep(chunk, at, payload);
        return this.#payload.add(chunk, payload, chunk.length, length);
      }
      const opcode = chunk[at]!;
      at = end;
      onFrame(opcode, length === 0 ? NO_BODY : chunk.subarray(payload, end));
    }
  }

  /** Completes the frame that was begun; gives the position in `chunk` behind it. */
  #resume(chunk: Uint8Array, onFrame: (opcode: number, payload: Uint8Array) => void): number {
    const head = this.#head!;
    let at = 0;
    while (this.#headBytes < FRAME_HEAD && at < chunk.length) head[this.#headBytes++] = chunk[at++]!;
    if (this.#headBytes < FRAME_HEAD) return at;
    const begun = this.#payload.bytes;
    const length = begun > 0 ? lengthAt(head, 0) : this.#length(head, 0); // what has begun keeps its limit
    const missing = length - begun;
    const end = Math.min(chunk.length, at + missing);
    this.#payload.add(chunk, at, end, length);
    if (end - at < missing) return end;
    this.#head = undefined; // before the call, which may throw
    this.#headBytes = 0;
    const payload = this.#payload.release();
    onFrame(head[0]!, payload);
    return end;
  }

  #keep(chunk: Uint8Array, from: number, to: number): void {
    this.#head = new Uint8Array(FRAME_HEAD);
    this.#head.set(chunk.subarray(from, to));
    this.#headBytes = to - from;
  }

  #length(bytes: Uint8Array, at: number): number {
    const length = lengthAt(bytes, at);
    if (length <= this.#maxBytes) return length;
    throw new ImError("FRAME_TOO_LARGE", `Cannot read frame: length is ${length}, limit is ${this.#maxBytes}`);
  }
}

/** Writes a frame at `at`, where there must be room; gives the position behind it. */
export function frameInto(opcode: number, payload: Uint8Array, out: Uint8Array, at: number): number {
  const length = payload.length;
  out[at] = opcode;
  out[at + 1] = length >>> 24;
  out[at + 2] = length >>> 16;
  out[at + 3] = length >>> 8;
  out[at + 4] = length;
  if (length > 0) out.set(payload, at + FRAME_HEAD);
  return at + FRAME_HEAD + length;
}

/** One frame. */
export function encodeFrame(opcode: number, payload: Uint8Array = NO_BODY): Uint8Array {
  const out = allocate(FRAME_HEAD + payload.length);
  frameInto(opcode, payload, out, 0);
  return out;
}

/** Binary frames of several packets, in order, in one buffer. */
export function encodeFrames(packets: readonly Uint8Array[]): Uint8Array {
  // hot: per flush
  let total = 0;
  for (let i = 0; i < packets.length; i++) total += FRAME_HEAD + packets[i]!.length;
  const out = allocate(total);
  let at = 0;
  for (let i = 0; i < packets.length; i++) at = frameInto(OPCODE.BINARY, packets[i]!, out, at);
  return out;
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at + 1]! << 24 | bytes[at + 2]! << 16 | bytes[at + 3]! << 8 | bytes[at + 4]!) >>> 0;
}
