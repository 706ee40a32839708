import { Deadline, type TimerWheel } from "../base/timer_wheel.ts";
import type { Logger } from "../base/logger.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import type { Accept, Conn, ConnEvents, Socket, SocketEvents, WriteResult } from "./ports.ts";

/** A peer that does not finish the closing is dropped after this. */
export const CLOSE_WAIT_MS = 1_500;
/** While this much waits to be sent, pings are not answered: RFC 6455 section 5.5.3 wants only the latest. */
const PONG_ROOM = 64 << 10;

/** Shared by all connections of one listener. */
export interface ConnEnv {
  readonly wheel: TimerWheel;
  readonly log: Logger;
}

/**
 *   open ──close(), violation, peer's close frame──► closing ──peer ended, or 1.5 s──► closed
 *     └────────────── destroy(), stream broke ────────────────────────────────────────► closed
 *
 * In `closing` nothing is sent any more and no packet is told; `deaf` also stops reading frames.
 */
type State =
  | { readonly at: "open" }
  | { readonly at: "closing"; readonly why: CloseReason; readonly deaf: boolean }
  | { readonly at: "closed"; readonly why: CloseReason };
const NEXT = { open: ["closing", "closed"], closing: ["closing", "closed"], closed: [] } as const;
const OPEN: State = { at: "open" };

/** What TCP frames and RFC 6455 frames over a byte stream have in common: a Conn that is the stream's owner. */
export abstract class StreamConn implements Conn, SocketEvents {
  abstract readonly transport: "ws" | "tcp";
  readonly #socket: Socket;
  readonly #env: ConnEnv;
  #events: ConnEvents | undefined;
  #state: State = OPEN;
  #closing: Closing | undefined;

  constructor(socket: Socket, env: ConnEnv) {
    this.#socket = socket;
    this.#env = env;
  }

  /** Bytes of the peer, cut anywhere: tells the frames by `alive`, `packet`, `pinged`, `closeFrame`. */
  protected abstract read(bytes: Uint8Array): void;
  /** Frames of packets. */
  protected abstract frames(packets: readonly Uint8Array[]): Uint8Array;
  protected abstract pingFrame(): Uint8Array;
  protected abstract closeFrame(why: CloseReason): Uint8Array;
  /** The close reason of an error that `read` threw; undefined when it is not about frames. */
  protected abstract violation(thrown: unknown): CloseReason | undefined;
  /** Does our side end the stream once both close frames were seen? */
  protected abstract readonly endsFirst: boolean;
  /** Does the peer answer a close frame with its own, so that ending waits for it? */
  protected abstract readonly answersClose: boolean;
  abstract limit(frameBytes: number): void;

  /** Tells the owner. To be called once, before the first event of the stream. */
  begin(accept: Accept): void {
    try {
      this.#events = accept(this);
    } catch (thrown) {
      this.#env.log.error("accepting a connection failed", { error: thrown, remote: this.remote });
      this.#socket.destroy();
      return;
    }
    if (this.#state.at === "closed") this.#tellClosed(this.#state.why); // while it was being accepted
  }

  // ---- Conn

  get remote(): string {
    return this.#socket.remote;
  }

  get queuedBytes(): number {
    return this.#socket.queuedBytes;
  }

  send(packets: readonly Uint8Array[]): WriteResult {
    return this.#state.at === "open" ? this.#socket.write(this.frames(packets)) : "closed";
  }

  ping(): void {
    if (this.#state.at === "open") this.#socket.write(this.pingFrame());
  }

  pause(): void {
    if (this.#state.at === "open") this.#socket.pause();
  }

  resume(): void {
    if (this.#state.at === "open") this.#socket.resume();
  }

  close(why: CloseReason): void {
    if (this.#state.at !== "open") return;
    if (why.code === CLOSE.GONE.code) return this.destroy();
    this.#enter({ at: "closing", why, deaf: false });
    this.#socket.write(this.closeFrame(why));
    if (!this.answersClose) this.#socket.end();
  }

  destroy(): void {
    if (this.#state.at !== "closed") this.#socket.destroy();
  }

  // ---- SocketEvents

  data(bytes: Uint8Array): void {
    const state = this.#state;
    if (state.at === "closed" || (state.at === "closing" && state.deaf)) return;
    try {
      this.read(bytes);
    } catch (thrown) {
      this.#fail(this.violation(thrown) ?? this.#failed(thrown));
    }
  }

  drained(): void {
    if (this.#state.at !== "open") return;
    try {
      this.#events?.drained();
    } catch (thrown) {
      this.#fail(this.#failed(thrown));
    }
  }

  closed(): void {
    const state = this.#state;
    if (state.at === "closed") return;
    const why = state.at === "closing" ? state.why : CLOSE.GONE;
    this.#enter({ at: "closed", why });
    if (this.#events) this.#tellClosed(why);
  }

  // ---- for `read`

  /** A data frame. */
  protected packet(payload: Uint8Array): void {
    // hot: per packet
    if (this.#state.at !== "open") return;
    try {
      this.#events?.alive();
      if (payload.length > 0 && this.#isOpen) this.#events?.packet(payload);
    } catch (thrown) {
      this.#fail(this.#failed(thrown));
    }
  }

  /** A pong, or anything else that only shows life. */
  protected alive(): void {
    this.packet(NOTHING);
  }

  /** A ping; `pong` is the answer. */
  protected pinged(pong: () => Uint8Array): void {
    if (this.#state.at !== "open") return;
    if (this.#socket.queuedBytes < PONG_ROOM) this.#socket.write(pong());
    try {
      this.#events?.alive();
      if (this.#isOpen) this.#events?.pinged();
    } catch (thrown) {
      this.#fail(this.#failed(thrown));
    }
  }

  /** The peer's close frame: begins the closing, or is the answer that completes ours. */
  protected peerCloses(why: CloseReason, answer: () => Uint8Array): void {
    const state = this.#state;
    if (state.at === "closed") return;
    if (state.at === "open") {
      this.#enter({ at: "closing", why, deaf: true });
      this.#socket.write(answer());
    } else {
      this.#enter({ at: "closing", why: state.why, deaf: true });
    }
    if (this.endsFirst) this.#socket.end();
  }

  /** Asked again after a call that may have closed it. */
  get #isOpen(): boolean {
    return this.#state.at === "open";
  }

  /** The peer broke the rules, or our side broke: says so and ends, without waiting for an answer. */
  #fail(why: CloseReason): void {
    const state = this.#state;
    if (state.at === "closed") return;
    const first = state.at === "open";
    this.#enter({ at: "closing", why: first ? why : state.why, deaf: true });
    if (first) this.#socket.write(this.closeFrame(why));
    this.#socket.end();
  }

  #failed(thrown: unknown): CloseReason {
    this.#env.log.error("handling a connection's event failed", { error: thrown, remote: this.remote });
    return CLOSE.INTERNAL;
  }

  #enter(state: State): void {
    const from = this.#state.at;
    if (!(NEXT[from] as readonly string[]).includes(state.at)) return;
    this.#state = state;
    if (state.at === "closing" && from === "open") {
      this.#closing = new Closing(this.#socket);
      this.#env.wheel.wakeIn(this.#closing, CLOSE_WAIT_MS);
      this.#socket.resume(); // a paused stream would never show the peer's answer
    } else if (state.at === "closed" && this.#closing) {
      this.#env.wheel.remove(this.#closing);
      this.#closing = undefined;
    }
  }

  #tellClosed(why: CloseReason): void {
    try {
      this.#events?.closed(why);
    } catch (thrown) {
      this.#failed(thrown);
    }
  }
}

/** Drops what has not closed in time. Made when a closing begins, so that an open connection does not carry it. */
export class Closing extends Deadline {
  readonly #open: { destroy(): void };
  constructor(open: { destroy(): void }) {
    super();
    this.#open = open;
  }

  expired(): void {
    this.#open.destroy();
  }
}

const NOTHING = new Uint8Array(0);
