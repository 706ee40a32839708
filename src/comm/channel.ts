// Over 300 lines: a channel's state, its queue and its deadlines change together.
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import { Deadline, type TimerWheel } from "../base/timer_wheel.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import { Arrival } from "./acceptor.ts";
import type { ChannelRules } from "./channel_rules.ts";
import type { Flushable, FlushList } from "./flush_list.ts";
import type { Agent, MessageListener } from "./listeners.ts";
import type { Outbox } from "./outbox.ts";
import type { Conn, ConnEvents } from "./ports.ts";
import type { Backlog, QueueBudget } from "./queue_budget.ts";
import { ipOf } from "./remote.ts";

/** What all channels of one owner share: what would otherwise be a closure in each. */
export interface ChannelHost<T> {
  readonly clock: Clock;
  readonly log: Logger;
  readonly rules: ChannelRules;
  readonly wheel: TimerWheel;
  readonly flush: FlushList;
  readonly budget: QueueBudget;
  readonly messages: MessageListener<T>;
  /** A packet of a channel that is not open yet. */
  arrived(channel: Channel<T>, arrival: Arrival, packet: Uint8Array): void;
  /** Exactly once, last. */
  left(channel: Channel<T>, why: CloseReason): void;
}

/**
 *   accepting ──open()──► open ──close()──► draining ──► closed
 *       └────────────────── close() ──────────┘            ▲
 *       └──────────────────── the peer is gone ────────────┘
 *
 * draining: what was queued is leaving, nothing more is taken or told.
 */
type ChannelState =
  | Arrival
  | { readonly at: "open" }
  | { readonly at: "draining"; readonly why: CloseReason }
  | { readonly at: "closed"; readonly why: CloseReason };
const NEXT = {
  accepting: ["open", "draining", "closed"],
  open: ["draining", "closed"],
  draining: ["closed"],
  closed: [],
} as const;
const OPEN: ChannelState = { at: "open" };

/** As much waits for the end of the tick at most. */
const FLUSH_BYTES = 64 << 10;

/** Why a channel is not read; it is read when no bit is set. */
const PAUSED = { BY_OWNER: 1, FOR_REPLIES: 2, FOR_ACCEPTOR: 4 } as const;

/**
 * One live connection and its queue (design promise 10). Idle, it is this one object: no timer, no closure, no array.
 */
export class Channel<T> extends Deadline implements Agent<T>, ConnEvents, Flushable, Backlog {
  id = "";
  data!: T;
  readonly remote: string;
  readonly conn: Conn;
  #readWaitMs: number;
  readonly #host: ChannelHost<T>;
  #state: ChannelState;
  #lastReadMs: number;
  #out: Outbox | undefined;
  #listed = false;
  #paused = 0;

  /** @param acceptWaitMs closes it when it is not open by then. */
  constructor(conn: Conn, host: ChannelHost<T>, acceptWaitMs: number, remote: string = conn.remote) {
    super();
    this.conn = conn;
    this.remote = remote;
    this.#readWaitMs = host.rules.readWaitMs;
    this.#host = host;
    this.#state = new Arrival();
    host.wheel.wakeIn(this, acceptWaitMs);
    this.#lastReadMs = host.wheel.nowMs;
  }

  get at(): ChannelState["at"] {
    return this.#state.at;
  }

  /** Nothing received for so long closes this channel; 0: never. */
  set readWaitMs(ms: number) {
    this.#readWaitMs = ms;
    this.#wake();
  }

  get transport(): "ws" | "tcp" {
    return this.conn.transport;
  }

  get heardMs(): number {
    return this.#lastReadMs;
  }

  get remoteIp(): string {
    return ipOf(this.remote);
  }

  get queuedPushBytes(): number {
    const out = this.#out;
    return out ? out.pushBytes + Math.min(out.heldPushBytes, this.conn.queuedBytes) : 0;
  }

  get queuedReplyBytes(): number {
    const out = this.#out;
    return out ? out.replyBytes + Math.min(out.heldReplyBytes, this.conn.queuedBytes) : 0;
  }

  get queuedBytes(): number {
    return this.queuedPushBytes + this.queuedReplyBytes;
  }

  /** The acceptor let it in: from now on packets go to the listener. Gives those that came before. */
  open(id: string, data: T): readonly Uint8Array[] {
    const state = this.#state;
    if (state.at !== "accepting") return [];
    this.id = id;
    this.data = data;
    this.#enter(OPEN);
    this.#lastReadMs = Math.floor(this.#host.clock.mono());
    this.#wake();
    return state.held();
  }

  // ---- Agent

  push(packet: Uint8Array): boolean {
    if (!this.#take(packet, false)) return false;
    if (!this.#out?.blocked || this.queuedPushBytes <= this.#host.rules.pushBytes) return true;
    this.close(CLOSE.SLOW);
    return false;
  }

  reply(packet: Uint8Array): boolean {
    if (!this.#take(packet, true)) return false;
    if (this.#out?.blocked && this.queuedReplyBytes >= this.#host.rules.replyBytes) this.#pause(PAUSED.FOR_REPLIES);
    return true;
  }

  pause(): void {
    this.#pause(PAUSED.BY_OWNER);
  }

  resume(): void {
    this.#resume(PAUSED.BY_OWNER);
  }

  ping(): void {
    if (this.at === "open") this.conn.ping();
  }

  close(why: CloseReason): void {
    if (this.at === "draining" || this.at === "closed") return;
    const out = this.#out;
    const hopeless = why === CLOSE.SLOW || why === CLOSE.OVERLOAD;
    if (out && out.packets.length > 0 && !hopeless) this.conn.send(out.packets);
    this.#enter({ at: "draining", why });
    this.conn.close(why);
  }

  /** Drops the connection without a word. */
  destroy(): void {
    this.conn.destroy();
  }

  /** As `pause`, while the acceptor is deciding. */
  pauseForAcceptor(): void {
    this.#pause(PAUSED.FOR_ACCEPTOR);
  }

  resumeForAcceptor(): void {
    this.#resume(PAUSED.FOR_ACCEPTOR);
  }

  /** Something above failed over this channel: logged, and the peer is told to come back. */
  failed(thrown: unknown): void {
    this.#host.log.error("handling a channel failed", { error: thrown, channelId: this.id, remote: this.remote });
    this.close(CLOSE.INTERNAL);
  }

  // ---- ConnEvents

  packet(bytes: Uint8Array): void {
    // hot: per packet
    const state = this.#state;
    try {
      if (state.at === "open") {
        const later = this.#host.messages.receive(this, bytes);
        if (later !== undefined) later.catch((thrown) => this.failed(thrown));
      } else if (state.at === "accepting") {
        this.#host.arrived(this, state, bytes);
      }
    } catch (thrown) {
      this.failed(thrown);
    }
  }

  alive(): void {
    this.#lastReadMs = this.#host.wheel.nowMs;
  }

  pinged(): void {
    if (this.at !== "open") return;
    if (this.conn.queuedBytes > this.#host.rules.replyBytes) return this.close(CLOSE.SLOW); // pongs that nobody reads
    try {
      this.#host.messages.pinged?.(this);
    } catch (thrown) {
      this.failed(thrown);
    }
  }

  drained(): void {
    const out = this.#out;
    if (!out?.blocked) return;
    this.#host.budget.remove(out.unblock());
    this.#host.budget.unblock(this);
    if (out.packets.length > 0) this.#handOver();
    else this.#letGo(out);
    if (this.queuedReplyBytes < this.#host.rules.replyBytes / 2) this.#resume(PAUSED.FOR_REPLIES);
  }

  closed(why: CloseReason): void {
    if (this.at === "closed") return;
    this.#enter({ at: "closed", why });
    try {
      this.#host.left(this, why);
    } catch (thrown) {
      this.failed(thrown);
    }
  }

  // ---- for the shared lists

  /** Hands everything over. The flush list calls it at the end of the tick. */
  flush(): void {
    this.#listed = false;
    this.#handOver();
  }

  overloaded(): void {
    this.close(CLOSE.OVERLOAD);
  }

  expired(nowMs: number): void {
    const state = this.#state;
    if (state.at === "accepting") return this.close(state.asked ? CLOSE.LOGIN_FAILED : CLOSE.LOGIN_TIMEOUT);
    if (state.at !== "open") return;
    if (this.#paused !== 0) this.#lastReadMs = nowMs;
    if (this.#out?.blocked && nowMs >= this.#out.heldSinceMs + this.#host.rules.oldestMs) this.close(CLOSE.SLOW);
    else if (this.#readWaitMs > 0 && nowMs >= this.#lastReadMs + this.#readWaitMs) this.close(CLOSE.IDLE);
    else this.#wake();
  }

  // ---- inside

  #take(packet: Uint8Array, isReply: boolean): boolean {
    // hot: per packet
    if (this.at === "draining" || this.at === "closed") return false;
    const { flush, budget, clock } = this.#host;
    const out = this.#out ??= flush.outbox();
    if (!this.#listed && !out.blocked) {
      this.#listed = true;
      flush.add(this);
    }
    if (out.packets.length === 0) out.sinceMs = out.blocked ? Math.ceil(clock.mono()) : flush.addedMs;
    out.add(packet, isReply);
    budget.add(packet.length); // may flush or close this very channel
    if (this.#out === out && !out.blocked && out.pushBytes + out.replyBytes >= FLUSH_BYTES) this.#handOver();
    return this.at === "open" || this.at === "accepting";
  }

  /** Gives the connection all that waits, unless it is still busy with what it was given last. */
  #handOver(): void {
    const out = this.#out;
    if (!out || out.blocked || out.packets.length === 0) return;
    const result = this.conn.send(out.packets);
    if (this.#out !== out) return; // it closed meanwhile
    if (result === "queued") {
      out.block();
      this.#host.budget.block(this);
      return this.#wake();
    }
    this.#host.budget.remove(out.bytes);
    this.#letGo(out);
  }

  #letGo(out: Outbox): void {
    this.#out = undefined;
    this.#host.flush.recycle(out);
  }

  /** Puts the next deadline into the wheel. */
  #wake(): void {
    const out = this.#out;
    const idleMs = this.#readWaitMs > 0 ? this.#lastReadMs + this.#readWaitMs : Infinity;
    const slowMs = out?.blocked ? out.heldSinceMs + this.#host.rules.oldestMs : Infinity;
    const atMs = Math.min(idleMs, slowMs);
    if (this.at === "accepting") return; // its own deadline stands
    if (atMs === Infinity) this.#host.wheel.remove(this);
    else this.#host.wheel.set(this, atMs);
  }

  #pause(bit: number): void {
    if (this.#paused === 0) this.conn.pause();
    this.#paused |= bit;
  }

  #resume(bit: number): void {
    if ((this.#paused & bit) === 0) return;
    this.#paused &= ~bit;
    if (this.#paused !== 0) return;
    this.#lastReadMs = Math.floor(this.#host.clock.mono());
    this.conn.resume();
  }

  #enter(state: ChannelState): void {
    if (!(NEXT[this.#state.at] as readonly string[]).includes(state.at)) return;
    this.#state = state;
    if (state.at === "open") return;
    const { wheel, budget } = this.#host;
    wheel.remove(this);
    const out = this.#out;
    if (!out) return;
    this.#out = undefined;
    budget.remove(out.bytes);
    if (out.blocked) budget.unblock(this);
  }
}
