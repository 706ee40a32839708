import type { Accept, Conn, ConnEvents, WriteResult } from "../../comm/ports.ts";
import { peerReason } from "../../comm/peer_reason.ts";
import { CLOSE_WAIT_MS, Closing, type ConnEnv } from "../../comm/stream_conn.ts";
import { CLOSE, type CloseReason } from "../../protocol/close_reason.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { isCloseCode } from "../../protocol/ws_frame.ts";
import { descriptors } from "../node/descriptors.ts";

/**
 * A WebSocket of Bun's own. Bun reads and checks the frames, answers pings and close frames, and refuses what breaks
 * RFC 6455 with the right close code (tests/contract/listen.ts holds it to that).
 *
 *   open ──close()──► closing: what waits leaves, then Bun's close ──► closed
 *     └─ peer, destroy() ─────────────────── 1.5 s ────────────────────┘
 *
 * Bun says "closed" when its close frame is written and ends the stream at once; a peer that keeps its side open is
 * dropped by Bun after 4 s.
 */
type State = "open" | "closing" | "closed";

export class BunWsConn implements Conn {
  readonly transport = "ws";
  readonly remote: string;
  readonly #env: ConnEnv;
  readonly #accept: Accept;
  #socket!: Bun.ServerWebSocket<BunWsConn>;
  #events: ConnEvents | undefined;
  #state: State = "open";
  #why: CloseReason | undefined;
  #closing: Closing | undefined;
  #limit: number = LIMITS.beforeLogin.frameBytes;

  constructor(remote: string, env: ConnEnv, accept: Accept) {
    this.remote = remote;
    this.#env = env;
    this.#accept = accept;
  }

  // ---- Conn

  get queuedBytes(): number {
    return this.#state === "closed" ? 0 : this.#socket.getBufferedAmount();
  }

  send(packets: readonly Uint8Array[]): WriteResult {
    // hot: per flush
    if (this.#state !== "open") return "closed";
    const socket = this.#socket;
    if (packets.length === 1) socket.sendBinary(packets[0]!);
    else {
      corking = packets;
      socket.cork(sendAll);
    }
    // The results of writes inside `cork` are only known now. Nothing is dropped: `backpressureLimit` is out of reach.
    return socket.getBufferedAmount() > 0 ? "queued" : "sent";
  }

  ping(): void {
    if (this.#state === "open") this.#socket.ping();
  }

  pause(): void {
    if (this.#state === "open") this.#socket.pause();
  }

  resume(): void {
    if (this.#state === "open") this.#socket.resume();
  }

  limit(frameBytes: number): void {
    this.#limit = frameBytes;
  }

  close(why: CloseReason): void {
    if (this.#state !== "open") return;
    if (why.code === CLOSE.GONE.code) return this.destroy();
    this.#state = "closing";
    this.#why = why;
    this.#socket.resume(); // a paused one would never show that its peer has gone
    if (this.#socket.getBufferedAmount() === 0) return this.#finish();
    this.#closing = new Closing(this);
    this.#env.wheel.wakeIn(this.#closing, CLOSE_WAIT_MS);
  }

  destroy(): void {
    if (this.#state !== "closed") this.#socket.terminate();
  }

  // ---- from the handlers

  opened(socket: Bun.ServerWebSocket<BunWsConn>): void {
    socket.binaryType = "uint8array";
    this.#socket = socket;
    try {
      this.#events = this.#accept(this);
    } catch (thrown) {
      this.#env.log.error("accepting a connection failed", { error: thrown, remote: this.remote });
      return socket.terminate();
    }
    if (this.#state === "closed") this.#tellClosed(this.#why ?? CLOSE.GONE); // while it was being accepted
  }

  message(message: string | Uint8Array): void {
    // hot: per packet
    if (this.#state !== "open") return;
    const bytes = typeof message === "string" ? encoder.encode(message) : message;
    if (bytes.length > this.#limit) return this.close(CLOSE.TOO_LARGE);
    try {
      this.#events?.alive();
      if (bytes.length > 0 && this.#isOpen) this.#events?.packet(bytes);
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  /** A ping that Bun has answered, or a pong. */
  control(isPing: boolean): void {
    if (this.#state !== "open") return;
    try {
      this.#events?.alive();
      if (isPing && this.#isOpen) this.#events?.pinged();
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  drained(): void {
    if (this.#socket.getBufferedAmount() > 0) return; // Bun tells each step
    if (this.#state === "closing") return this.#finish();
    try {
      this.#events?.drained();
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  closed(code: number, reason: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#why ??= closeReason(code, reason);
    if (this.#closing) this.#env.wheel.remove(this.#closing);
    descriptors.give();
    if (this.#events) this.#tellClosed(this.#why);
  }

  /** Asked again after a call that may have closed it. */
  get #isOpen(): boolean {
    return this.#state === "open";
  }

  #finish(): void {
    const { code, reason } = this.#why!;
    this.#socket.close(isCloseCode(code) ? code : CLOSE.NORMAL.code, reason);
  }

  #failed(thrown: unknown): void {
    this.#env.log.error("handling a connection's event failed", { error: thrown, remote: this.remote });
    this.close(CLOSE.INTERNAL);
  }

  #tellClosed(why: CloseReason): void {
    try {
      this.#events?.closed(why);
    } catch (thrown) {
      this.#failed(thrown);
    }
  }
}

const encoder = new TextEncoder();

/** What `sendAll` sends: `cork` calls it at once, and a closure per flush would be garbage. */
let corking: readonly Uint8Array[] = [];

function sendAll(socket: Bun.ServerWebSocket<BunWsConn>): void {
  const packets = corking;
  for (let i = 0; i < packets.length; i++) socket.sendBinary(packets[i]!);
}

/** Bun tells what it refused as 1006, which no peer can send, with a text of its own. */
function closeReason(code: number, reason: string): CloseReason {
  if (code !== 1006) return peerReason(code, reason);
  if (reason === "Received too big message") return CLOSE.TOO_LARGE;
  if (reason === "Received invalid UTF-8") return CLOSE.BAD_TEXT;
  return reason.startsWith("Received") ? CLOSE.PROTOCOL : CLOSE.GONE;
}
