import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import { OPCODE } from "../protocol/frame.ts";
import { LIMITS } from "../protocol/limits.ts";
import {
  isCloseCode,
  wsClosePayload,
  WsDecoder,
  WsError,
  type WsEvents,
  wsFrame,
  wsFrames,
} from "../protocol/ws_frame.ts";
import { peerReason } from "./peer_reason.ts";
import type { Socket } from "./ports.ts";
import { type ConnEnv, StreamConn } from "./stream_conn.ts";

/** The client's half of masking: 4 random bytes for each frame. The server has none. */
export type MaskKeys = () => Uint8Array;

/**
 * RFC 6455 frames over a byte stream whose handshake is done. One packet per message; text messages are taken too.
 *
 *   who begins     close, code ──►                    both frames seen: the server ends the stream,
 *                              ◄── close, code        the client waits for that
 *
 *   violation      close, code ──►  FIN               the peer's answer is not waited for
 *
 * Whatever is missing after 1.5 s, the stream is dropped. When both begin at once each takes the other's frame for
 * the answer, and each tells its own reason.
 */
export class WsConn extends StreamConn {
  readonly transport = "ws";
  protected readonly endsFirst: boolean;
  protected readonly answersClose = true;
  readonly #decoder: WsDecoder;
  readonly #maskKeys: MaskKeys | undefined;
  readonly #inbound = new Inbound(this);

  /** With `maskKeys` it is the client's end, else the server's. */
  constructor(
    socket: Socket,
    env: ConnEnv,
    frameBytes: number = LIMITS.beforeLogin.frameBytes,
    maskKeys?: MaskKeys,
  ) {
    super(socket, env);
    this.#decoder = new WsDecoder(maskKeys ? "client" : "server", frameBytes);
    this.#maskKeys = maskKeys;
    this.endsFirst = maskKeys === undefined;
  }

  limit(frameBytes: number): void {
    this.#decoder.limit(frameBytes);
  }

  protected read(bytes: Uint8Array): void {
    this.#decoder.push(bytes, this.#inbound);
  }

  protected frames(packets: readonly Uint8Array[]): Uint8Array {
    return wsFrames(packets, this.#maskKeys);
  }

  protected pingFrame(): Uint8Array {
    return wsFrame(OPCODE.PING, undefined, this.#maskKeys?.());
  }

  protected closeFrame(why: CloseReason): Uint8Array {
    const code = isCloseCode(why.code) ? why.code : CLOSE.NORMAL.code;
    return wsFrame(OPCODE.CLOSE, wsClosePayload(code, why.reason), this.#maskKeys?.());
  }

  protected violation(thrown: unknown): CloseReason | undefined {
    return thrown instanceof WsError ? thrown.close : undefined;
  }

  // ---- from the decoder

  messageFrame(payload: Uint8Array): void {
    this.packet(payload);
  }

  pongFrame(): void {
    this.alive();
  }

  pingFrameOf(payload: Uint8Array): void {
    this.pinged(() => wsFrame(OPCODE.PONG, payload, this.#maskKeys?.()));
  }

  closeFrameOf(code: number, reason: string): void {
    const answer = () => wsFrame(OPCODE.CLOSE, wsClosePayload(code, ""), this.#maskKeys?.());
    this.peerCloses(peerReason(code, reason), answer);
  }
}

/** The decoder's events; `ping` and `close` of a Conn are other things, hence an object of its own. */
class Inbound implements WsEvents {
  readonly #conn: WsConn;
  constructor(conn: WsConn) {
    this.#conn = conn;
  }

  message(_opcode: 1 | 2, payload: Uint8Array): void {
    this.#conn.messageFrame(payload);
  }
  ping(payload: Uint8Array): void {
    this.#conn.pingFrameOf(payload);
  }
  pong(): void {
    this.#conn.pongFrame();
  }
  close(code: number, reason: string): void {
    this.#conn.closeFrameOf(code, reason);
  }
}
