import { clientFrame, OPCODE, payloadStart } from "./frames.ts";
import { encodePacket } from "./packet.ts";
import { MessageWriter } from "./proto.ts";
import type { WireConn } from "./wire_conn.ts";

/**
 * What each test message says, in 64 ASCII characters from "0" on, big end first: "P", sender (4), counter (6), time
 * in microseconds since the run began (8), then filling. So a receiver knows order, exactness and latency at once.
 */
const STAMP = { SENDER: 1, COUNTER: 5, TIME: 11, END: 19 } as const;
/** Shortest body a test message can have, bytes. */
export const MIN_BODY = STAMP.END;

/**
 * Sequences are varints of exactly four bytes (2^21 to 2^28 - 1), so that all messages of a sender have the same
 * layout and one prepared frame serves them all.
 */
export const SEQUENCE = { FIRST: 1 << 21, COUNT: (1 << 28) - (1 << 21) } as const;

/** A prepared frame of one sender to one receiver: `chat.user.talk`, or `chat.group.talk` to a group. */
export class TalkTemplate {
  /** Bytes of one framed message. */
  readonly size: number;
  readonly #frame: Uint8Array;
  readonly #mask: Uint8Array;
  readonly #payload: number;
  readonly #sequenceAt: number;
  readonly #bodyAt: number;

  /** `sender` is a number below 2^24; `bodyBytes` from MIN_BODY to 5000. */
  constructor(
    conn: WireConn,
    dest: string,
    sender: number,
    bodyBytes: number,
    command: "chat.user.talk" | "chat.group.talk" = "chat.user.talk",
  ) {
    const text = "P" + digits(sender, 4) + "0".repeat(14) + "~".repeat(bodyBytes - STAMP.END);
    const body = new MessageWriter().int(1, 1).text(2, text).done();
    const packet = encodePacket({ command, sequence: SEQUENCE.FIRST, dest, body });
    this.#frame = clientFrame(conn.transport, OPCODE.BINARY, packet, conn.maskKey);
    this.#mask = conn.transport === "ws" ? conn.maskKey : new Uint8Array(4);
    this.#payload = payloadStart(conn.transport, packet.length);
    this.#sequenceAt = 8 + 2 + command.length + 1;
    this.#bodyAt = packet.length - bodyBytes;
    this.size = this.#frame.length;
  }

  /** Writes the message's frame into `out` at `at`; gives the end. */
  // hot: per message
  write(out: Uint8Array, at: number, sequence: number, counter: number, timeUs: number): number {
    out.set(this.#frame, at);
    const mask = this.#mask;
    const base = at + this.#payload;
    let p = this.#sequenceAt;
    out[base + p] = (sequence & 127 | 128) ^ mask[p & 3]!;
    p++;
    out[base + p] = (sequence >>> 7 & 127 | 128) ^ mask[p & 3]!;
    p++;
    out[base + p] = (sequence >>> 14 & 127 | 128) ^ mask[p & 3]!;
    p++;
    out[base + p] = (sequence >>> 21 & 127) ^ mask[p & 3]!;
    p = this.#bodyAt + STAMP.COUNTER;
    for (let shift = 30; shift >= 0; shift -= 6, p++) {
      out[base + p] = 48 + (shift === 30 ? Math.floor(counter / 0x40000000) : counter >>> shift & 63) ^ mask[p & 3]!;
    }
    const high = Math.floor(timeUs / 0x1000000);
    for (let shift = 18; shift >= 0; shift -= 6, p++) out[base + p] = 48 + (high >>> shift & 63) ^ mask[p & 3]!;
    for (let shift = 18; shift >= 0; shift -= 6, p++) out[base + p] = 48 + (timeUs >>> shift & 63) ^ mask[p & 3]!;
    return at + this.size;
  }
}

/** The stamp of a received body; filled anew by each `read`. */
export class Stamp {
  sender = 0;
  counter = 0;
  timeUs = 0;

  /** False: not one of our bodies. */
  // hot: per push
  read(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < STAMP.END || bytes[start] !== 0x50) return false;
    this.sender = number4(bytes, start + STAMP.SENDER);
    this.counter = (bytes[start + 5]! - 48) * 0x40000000 + (bytes[start + 6]! - 48) * 0x1000000 +
      number4(bytes, start + 7);
    this.timeUs = number4(bytes, start + STAMP.TIME) * 0x1000000 + number4(bytes, start + STAMP.TIME + 4);
    return true;
  }
}

function number4(bytes: Uint8Array, at: number): number {
  return bytes[at]! - 48 << 18 | bytes[at + 1]! - 48 << 12 | bytes[at + 2]! - 48 << 6 | bytes[at + 3]! - 48;
}

function digits(value: number, count: number): string {
  let text = "";
  for (let shift = (count - 1) * 6; shift >= 0; shift -= 6) text += String.fromCharCode(48 + (value >>> shift & 63));
  return text;
}
