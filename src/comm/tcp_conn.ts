import { ImError } from "../base/errors.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import { encodeFrame, encodeFrames, FrameDecoder, OPCODE } from "../protocol/frame.ts";
import { LIMITS } from "../protocol/limits.ts";
import { readText, textSize, writeText } from "../protocol/utf8.ts";
import { peerText } from "./peer_reason.ts";
import type { Socket } from "./ports.ts";
import { type ConnEnv, StreamConn } from "./stream_conn.ts";

/** A close frame's text is not read further than this. */
const TEXT_BYTES = 125;

/**
 * TCP frames (proto/WIRE.md "TCP frame") over a byte stream. Close, ping and pong are as on WebSocket, every other
 * opcode is data.
 *
 *   we end:       ──[close "reason"]──►  FIN after it      the peer ends:  ◄──[close "reason"]──
 *                 ◄──────── FIN ───────  closed(reason)                    ──[close]──►  FIN
 *                 nothing for 1.5 s: dropped                               ◄──── FIN ───  closed(its reason)
 *
 * A peer that just ends its direction is gone: what was written leaves, then the stream ends.
 */
export class TcpConn extends StreamConn {
  readonly transport = "tcp";
  protected readonly endsFirst = true;
  protected readonly answersClose = false;
  readonly #decoder: FrameDecoder;

  constructor(socket: Socket, env: ConnEnv, frameBytes: number = LIMITS.beforeLogin.frameBytes) {
    super(socket, env);
    this.#decoder = new FrameDecoder(frameBytes);
  }

  limit(frameBytes: number): void {
    this.#decoder.limit(frameBytes);
  }

  protected read(bytes: Uint8Array): void {
    this.#decoder.push(bytes, (opcode, payload) => this.#frame(opcode, payload));
  }

  protected frames(packets: readonly Uint8Array[]): Uint8Array {
    return encodeFrames(packets);
  }

  protected pingFrame(): Uint8Array {
    return PING;
  }

  protected closeFrame(why: CloseReason): Uint8Array {
    const text = new Uint8Array(textSize(why.reason));
    writeText(why.reason, text, 0);
    return encodeFrame(OPCODE.CLOSE, text);
  }

  protected violation(thrown: unknown): CloseReason | undefined {
    return thrown instanceof ImError && thrown.code === "FRAME_TOO_LARGE" ? CLOSE.TOO_LARGE : undefined;
  }

  #frame(opcode: number, payload: Uint8Array): void {
    // hot: per frame
    if (opcode === OPCODE.PING) this.pinged(() => encodeFrame(OPCODE.PONG, payload));
    else if (opcode === OPCODE.PONG) this.alive();
    else if (opcode === OPCODE.CLOSE) this.peerCloses(peerText(textOf(payload)), () => CLOSE_FRAME);
    else this.packet(payload);
  }
}

const PING = encodeFrame(OPCODE.PING);
const CLOSE_FRAME = encodeFrame(OPCODE.CLOSE);

function textOf(payload: Uint8Array): string {
  return readText(payload, 0, Math.min(payload.length, TEXT_BYTES)) ?? "";
}
