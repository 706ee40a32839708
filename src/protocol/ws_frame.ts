// RFC 6455 section 5, both roles, no sockets: one decoder and the functions that write frames. Long because it has one
// small case for every rule that a stream can break.
import { allocate } from "../base/bytes.ts";
import { ImError } from "../base/errors.ts";
import { CLOSE, type CloseReason } from "./close_reason.ts";
import { OPCODE } from "./frame.ts";
import { Grower } from "./grower.ts";
import { mask } from "./mask.ts";
import { NO_BODY } from "./packet.ts";
import { isUtf8, readText, textSize, writeText } from "./utf8.ts";

/** FRAME_INVALID or FRAME_TOO_LARGE, with the close frame to answer with (RFC 6455 section 7.4.1). */
export class WsError extends ImError {
  readonly close: CloseReason;
  constructor(code: "FRAME_INVALID" | "FRAME_TOO_LARGE", message: string, close: CloseReason) {
    super(code, message);
    this.close = close;
  }
}

/** What a stream of WebSocket frames tells. Payloads are only valid during the call. */
export interface WsEvents {
  /** A whole message, reassembled; text was checked to be UTF-8. */
  message(opcode: 1 | 2, payload: Uint8Array): void;
  ping(payload: Uint8Array): void;
  pong(payload: Uint8Array): void;
  /** The peer's close frame; 1005 when it carried no code. Nothing is read after it. */
  close(code: number, reason: string): void;
}

/** Longest payload of close, ping and pong. */
const CONTROL_BYTES = 125;

/**
 * Reads RFC 6455 frames as the `server` (frames must be masked) or the `client` (must not be). Fragments are joined,
 * control frames between them are told at once. Lengths need not be minimal. No extensions.
 */
export class WsDecoder {
  readonly #mustMask: boolean;
  #maxBytes: number;
  #closed = false;

  /** Head of a frame that is not complete: 2 to 14 bytes. */
  #head: Uint8Array | undefined;
  #headBytes = 0;

  // The frame whose payload is arriving; `#left` bytes are to come.
  #inFrame = false;
  #opcode = 0;
  #fin = false;
  #key = 0;
  #left = 0;
  #seen = 0;

  /** Opcode of the message whose fragments are arriving, 0 between messages. */
  #message = 0;
  readonly #data = new Grower();
  readonly #control = new Grower();

  constructor(role: "server" | "client", maxBytes: number) {
    this.#mustMask = role === "server";
    this.#maxBytes = maxBytes;
  }

  /** The largest message taken from now on, in bytes, all fragments together. May be called from an event. */
  limit(maxBytes: number): void {
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes the next bytes of the stream, cut anywhere. Masked payloads are unmasked IN `chunk`: do not use it again.
   * @throws {WsError} Send its `close`, then drop the connection. What an event throws comes through.
   */
  push(chunk: Uint8Array, events: WsEvents): void {
    // hot: per read
    let at = 0;
    while (!this.#closed) {
      if (!this.#inFrame) {
        at = this.#readHead(chunk, at);
        if (!this.#inFrame) return;
      }
      const end = at + this.#left;
      if (end > chunk.length) return this.#take(chunk, at, chunk.length);
      const from = at;
      at = end;
      this.#finish(chunk, from, end, events);
    }
  }

  /** Reads a frame's head and checks it; gives the position behind it. Leaves `#inFrame` false when bytes are missing. */
  #readHead(chunk: Uint8Array, at: number): number {
    if (this.#head === undefined) {
      const size = headSize(chunk, at, chunk.length - at);
      if (size <= chunk.length - at) {
        this.#check(chunk, at);
        return at + size;
      }
      if (at === chunk.length) return at;
      this.#head = new Uint8Array(14);
      this.#headBytes = 0;
    }
    const head = this.#head;
    while (at < chunk.length) {
      head[this.#headBytes++] = chunk[at++]!;
      if (headSize(head, 0, this.#headBytes) === this.#headBytes) {
        this.#head = undefined;
        this.#check(head, 0);
        return at;
      }
      if (this.#headBytes === 2) this.#checkBits(head[0]!, head[1]!); // no waiting for the rest of a bad head
    }
    return at;
  }

  #check(head: Uint8Array, at: number): void {
    const first = head[at]!;
    const second = head[at + 1]!;
    this.#checkBits(first, second);
    const opcode = first & 15;
    let length = second & 127;
    let key = at + 2;
    if (length === 126) {
      length = head[at + 2]! << 8 | head[at + 3]!;
      key = at + 4;
    } else if (length === 127) {
      length = int32(head, at + 2) * 0x100000000 + (int32(head, at + 6) >>> 0);
      if (length < 0) throw invalid("length over 63 bits");
      key = at + 10;
    }
    if (opcode < OPCODE.CLOSE && length > this.#maxBytes - this.#data.bytes) {
      const total = length + this.#data.bytes;
      throw new WsError(
        "FRAME_TOO_LARGE",
        `Cannot read frame: message is ${total}, limit is ${this.#maxBytes}`,
        CLOSE.TOO_LARGE,
      );
    }
    this.#opcode = opcode;
    this.#fin = first > 127;
    this.#key = second > 127 ? int32(head, key) : 0;
    this.#left = length;
    this.#seen = 0;
    this.#inFrame = true;
  }

  #checkBits(first: number, second: number): void {
    const opcode = first & 15;
    if ((first & 0x70) !== 0) throw invalid("reserved bits are set");
    if ((second > 127) !== this.#mustMask) {
      throw invalid(this.#mustMask ? "frame is not masked" : "frame is masked");
    }
    if (opcode >= OPCODE.CLOSE) {
      if (opcode > OPCODE.PONG) throw invalid(`opcode is ${opcode}`);
      if (first < 128) throw invalid("control frame is fragmented");
      if ((second & 127) > CONTROL_BYTES) throw invalid("control frame is over 125 bytes");
      return;
    }
    if (opcode > OPCODE.BINARY) throw invalid(`opcode is ${opcode}`);
    if (opcode === OPCODE.CONTINUATION && this.#message === 0) throw invalid("continuation of nothing");
    if (opcode !== OPCODE.CONTINUATION && this.#message !== 0) throw invalid("new message inside a fragmented one");
  }

  /** Keeps a part of the frame's payload. */
  #take(chunk: Uint8Array, from: number, to: number): void {
    if (from === to) return;
    mask(chunk, from, to, this.#key, this.#seen);
    if (this.#opcode < OPCODE.CLOSE) this.#data.add(chunk, from, to, this.#maxBytes);
    else this.#control.add(chunk, from, to, CONTROL_BYTES);
    this.#seen += to - from;
    this.#left -= to - from;
  }

  /** The frame's payload ends in `chunk`: hands on what is complete, straight from `chunk` when it is all there. */
  #finish(chunk: Uint8Array, from: number, to: number, events: WsEvents): void {
    this.#inFrame = false;
    const opcode = this.#opcode;
    const control = opcode >= OPCODE.CLOSE;
    const kept = control ? this.#control : this.#data;
    let payload: Uint8Array;
    if (kept.bytes === 0 && (control || this.#fin)) {
      mask(chunk, from, to, this.#key, 0);
      payload = from === to ? NO_BODY : chunk.subarray(from, to);
    } else {
      this.#take(chunk, from, to);
      if (!control && !this.#fin) {
        if (opcode !== OPCODE.CONTINUATION) this.#message = opcode;
        return;
      }
      payload = kept.release();
    }
    if (!control) {
      const kind = opcode === OPCODE.CONTINUATION ? this.#message : opcode;
      this.#message = 0;
      if (kind === OPCODE.TEXT && !isUtf8(payload)) throw badText("text message");
      events.message(kind as 1 | 2, payload);
    } else if (opcode === OPCODE.PING) {
      events.ping(payload);
    } else if (opcode === OPCODE.PONG) {
      events.pong(payload);
    } else {
      this.#closed = true;
      tellClose(payload, events);
    }
  }
}

/**
 * One frame. `maskKey` is 4 bytes, for clients only; `fin` false begins or goes on with a fragmented message. Lengths
 * are minimal.
 */
export function wsFrame(opcode: number, payload: Uint8Array = NO_BODY, maskKey?: Uint8Array, fin = true): Uint8Array {
  const out = allocate(frameSize(payload.length, maskKey !== undefined));
  putFrame(fin ? opcode | 0x80 : opcode, payload, maskKey, out, 0);
  return out;
}

/** Binary frames of several packets, in order, in one buffer. `maskKeyOf` gives 4 bytes per frame, for clients only. */
export function wsFrames(packets: readonly Uint8Array[], maskKeyOf?: () => Uint8Array): Uint8Array {
  // hot: per flush
  const masked = maskKeyOf !== undefined;
  let total = 0;
  for (let i = 0; i < packets.length; i++) total += frameSize(packets[i]!.length, masked);
  const out = allocate(total);
  let at = 0;
  for (let i = 0; i < packets.length; i++) at = putFrame(OPCODE.BINARY | 0x80, packets[i]!, maskKeyOf?.(), out, at);
  return out;
}

/** Payload of a close frame: code and reason, the reason cut at a code point to fit 125 bytes. 1005: empty. */
export function wsClosePayload(code: number, reason: string): Uint8Array {
  if (code === 1005) return NO_BODY;
  let text = reason;
  while (textSize(text) > CONTROL_BYTES - 2) text = [...text].slice(0, -1).join("");
  const out = new Uint8Array(2 + textSize(text));
  out[0] = code >> 8;
  out[1] = code;
  writeText(text, out, 2);
  return out;
}

/** May this code be in a close frame (RFC 6455 section 7.4 and the IANA registry)? */
export function isCloseCode(code: number): boolean {
  return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999;
}

/** Size of the head at `at`, as far as `have` bytes tell: more than `have` when it is not complete. */
function headSize(bytes: Uint8Array, at: number, have: number): number {
  if (have < 2) return 2;
  const second = bytes[at + 1]!;
  const length = second & 127;
  return (length < 126 ? 2 : length === 126 ? 4 : 10) + (second > 127 ? 4 : 0);
}

function frameSize(payload: number, masked: boolean): number {
  return (payload < 126 ? 2 : payload < 0x10000 ? 4 : 10) + (masked ? 4 : 0) + payload;
}

function putFrame(
  first: number,
  payload: Uint8Array,
  key: Uint8Array | undefined,
  out: Uint8Array,
  at: number,
): number {
  const length = payload.length;
  const masked = key === undefined ? 0 : 0x80;
  out[at++] = first;
  if (length < 126) {
    out[at++] = masked | length;
  } else if (length < 0x10000) {
    out[at++] = masked | 126;
    out[at++] = length >> 8;
    out[at++] = length;
  } else {
    out[at++] = masked | 127;
    at += 4; // zero: no payload here is over 4 GiB
    out[at++] = length >>> 24;
    out[at++] = length >>> 16;
    out[at++] = length >>> 8;
    out[at++] = length;
  }
  if (key !== undefined) {
    out.set(key, at);
    at += 4;
  }
  if (length > 0) out.set(payload, at);
  if (key !== undefined) mask(out, at, at + length, int32(key, 0), 0);
  return at + length;
}

function int32(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!;
}

function tellClose(payload: Uint8Array, events: WsEvents): void {
  if (payload.length === 0) return events.close(1005, "");
  const code = payload.length === 1 ? 0 : payload[0]! << 8 | payload[1]!;
  if (!isCloseCode(code)) throw invalid(payload.length === 1 ? "close of one byte" : `close code is ${code}`);
  const reason = readText(payload, 2, payload.length);
  if (reason === undefined) throw badText("close reason");
  events.close(code, reason);
}

function invalid(why: string): WsError {
  return new WsError("FRAME_INVALID", `Cannot read frame: ${why}`, CLOSE.PROTOCOL);
}

function badText(what: string): WsError {
  return new WsError("FRAME_INVALID", `Cannot read frame: ${what} is not UTF-8`, CLOSE.BAD_TEXT);
}
