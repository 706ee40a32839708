import type { Clock } from "../../base/clock.ts";
import type { Agent } from "../../comm/listeners.ts";

/** Heartbeats of a link, ms. Source: proto/WIRE.md "Heartbeats". */
export interface PulseTimes {
  /** A ping when nothing was sent for so long; Infinity: none. */
  readonly pingMs: number;
  /** The peer is given up when nothing was heard for so long. */
  readonly deadMs: number;
  /** The peer has given us up, or soon will, when nothing was sent for so long; Infinity: it never does. */
  readonly fenceMs: number;
}

/** Between Petrel's servers: dead after 2.5 s, and 0.3 s earlier whoever stood still knows it of itself. */
export const PETREL_PULSE: PulseTimes = { pingMs: 800, deadMs: 2_500, fenceMs: 2_200 };
/** To a KIM chat server. */
export const TO_KIM_PULSE: PulseTimes = { pingMs: 55_000, deadMs: 180_000, fenceMs: Infinity };
/** From a KIM gateway, which does the pinging. */
export const FROM_KIM_PULSE: PulseTimes = { pingMs: Infinity, deadMs: 180_000, fenceMs: Infinity };

/** How often `beat` is to be called, ms. */
export const BEAT_MS = 200;

/** Why a link must be cut at once. */
export type Lifeless = "silent" | "stalled";

/**
 * Whether both ends of a link are alive: the peer, by what is heard, and this process, by what it sent. Whoever was
 * stopped for longer than `fenceMs` (SIGSTOP, a long garbage collection) has been given up: what waits unread in its
 * socket was forwarded to others, and must not be carried out here as well.
 */
export class Pulse {
  readonly #agent: Agent;
  readonly #clock: Clock;
  readonly #times: PulseTimes;
  #sentMs: number;

  constructor(agent: Agent, clock: Clock, times: PulseTimes) {
    this.#agent = agent;
    this.#clock = clock;
    this.#times = times;
    this.#sentMs = clock.mono();
  }

  /** Something was sent. What comes after a standstill does not hide that. */
  sent(nowMs: number): void {
    // hot: per packet
    if (!this.stalled(nowMs)) this.#sentMs = nowMs;
  }

  /** Was this process stopped for so long that the peer has given it up? Asked before anything received is used. */
  stalled(nowMs: number): boolean {
    // hot: per packet
    return nowMs - this.#sentMs >= this.#times.fenceMs;
  }

  /** Pings when it is time. Gives why the link must be cut; undefined: it need not. */
  beat(): Lifeless | undefined {
    const now = this.#clock.mono();
    if (this.stalled(now)) return "stalled";
    if (now - this.#agent.heardMs >= this.#times.deadMs) return "silent";
    if (now - this.#sentMs < this.#times.pingMs - BEAT_MS) return undefined;
    this.#agent.ping();
    this.#sentMs = now;
    return undefined;
  }
}
