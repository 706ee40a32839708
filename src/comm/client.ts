import { Backoff, type BackoffOptions } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { Deadline, TimerWheel } from "../base/timer_wheel.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import { LIMITS } from "../protocol/limits.ts";
import { Channel, type ChannelHost } from "./channel.ts";
import { CHANNEL_RULES, type ChannelRules } from "./channel_rules.ts";
import { FlushList } from "./flush_list.ts";
import type { Agent, MessageListener } from "./listeners.ts";
import type { Conn, Dial } from "./ports.ts";
import { QueueBudget } from "./queue_budget.ts";
import { CLOSE_WAIT_MS } from "./stream_conn.ts";

/** Where a client connects, and what it says first. */
export interface Dialer {
  /** Asked before every attempt: `ws://…` or `tcp://…`. */
  url(): string | Promise<string>;
  /** The connection is there and nothing was sent on it yet. */
  greet(agent: Agent): void;
}

/** What a client hears. */
export interface ClientListener extends MessageListener<undefined> {
  /** A connection ended, or could not be made. `againMs`: the next attempt follows then; undefined: none follows. */
  disconnected(why: CloseReason, againMs: number | undefined): void;
}

/** Times in ms, sizes in bytes. */
export interface ClientOptions {
  /** Named in logs. */
  readonly id: string;
  /** A transport ping each time; 0: none. */
  readonly heartbeatMs: number;
  readonly dialWaitMs: number;
  readonly frameBytes: number;
  readonly rules: ChannelRules;
  /** How to try again when a connection ended with a reason that says so; undefined: never. */
  readonly reconnect: BackoffOptions | undefined;
  /**
   * Tries again whatever the reason, later each time until `worked` was called: for links, whose peers say little about
   * why. Otherwise the first packet says that it worked.
   */
  readonly reconnectAlways: boolean;
}

export const CLIENT_DEFAULTS: ClientOptions = {
  id: "client",
  heartbeatMs: 55_000,
  dialWaitMs: 10_000,
  frameBytes: LIMITS.link.frameBytes,
  rules: { ...CHANNEL_RULES, readWaitMs: 180_000 },
  reconnect: undefined,
  reconnectAlways: false,
};

export interface ClientDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly dial: Dial;
  readonly dialer: Dialer;
  readonly listener: ClientListener;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
  readonly flush?: FlushList;
  readonly budget?: QueueBudget;
}

/**
 * The client side of a connection: dials, greets, keeps it alive, and dials again when that helps.
 *
 *   start() ────► dialling ──► open ──ended──► waiting ──back-off──► dialling …
 *                    └──failed──────────────────┘           stop() from anywhere: the end
 */
export class Client implements ChannelHost<undefined>, AsyncDisposable {
  readonly clock: Clock;
  readonly log: Logger;
  readonly rules: ChannelRules;
  readonly wheel: TimerWheel;
  readonly flush: FlushList;
  readonly budget: QueueBudget;
  readonly messages: MessageListener<undefined>;
  readonly #options: ClientOptions;
  readonly #deps: ClientDeps;
  readonly #backoff: Backoff;
  readonly #heartbeat: Heartbeat;
  #channel: Channel<undefined> | undefined;
  #waiting: Timer | undefined;
  #stopped = false;
  #ended: (() => void) | undefined;

  constructor(options: Partial<ClientOptions>, deps: ClientDeps) {
    this.#options = { ...CLIENT_DEFAULTS, ...options };
    this.#deps = deps;
    this.clock = deps.clock;
    this.log = deps.log;
    this.rules = this.#options.rules;
    this.wheel = new TimerWheel(deps.clock);
    this.flush = deps.flush ?? new FlushList(deps.clock, deps.log);
    this.budget = deps.budget ?? new QueueBudget(this.flush);
    this.#backoff = new Backoff(deps.random, this.#options.reconnect);
    this.#heartbeat = new Heartbeat(this.wheel, this.#options.heartbeatMs);
    this.messages = {
      receive: (channel, packet) => {
        // Not before: a server that closes at once is not hammered.
        if (!this.#options.reconnectAlways) this.worked();
        return deps.listener.receive(channel, packet);
      },
      pinged: (channel) => deps.listener.pinged?.(channel),
    };
  }

  /** The open connection. */
  get agent(): Agent | undefined {
    return this.#channel?.at === "open" ? this.#channel : undefined;
  }

  /** Makes the first connection. @throws {ImError} CLOSED or TIMEOUT; nothing is tried again after that. */
  async connect(): Promise<void> {
    if (this.#stopped) throw new ImError("CLOSED", "Cannot connect: the client was stopped");
    await this.#dial();
  }

  /** As `connect`, without waiting for it: a first attempt that fails is followed by others like a later one. */
  start(): void {
    this.#attempt();
  }

  /** The peer wants us: after the next end the first attempt follows soon. */
  worked(): void {
    this.#backoff.reset();
  }

  /** Queues a packet. False: there is no connection at the moment, or it is too slow. */
  push(packet: Uint8Array): boolean {
    return this.#channel?.push(packet) ?? false;
  }

  /** Ends the connection, sending what is queued, and does not come back. Calling it again is harmless. */
  async stop(why: CloseReason = CLOSE.NORMAL): Promise<void> {
    this.#stopped = true;
    this.#waiting?.stop();
    const channel = this.#channel;
    if (channel) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#ended = resolve;
      channel.close(why);
      const limit = this.clock.after(2 * CLOSE_WAIT_MS, resolve);
      if (this.#channel) await promise;
      limit.stop();
    }
    this.wheel[Symbol.dispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  // ---- ChannelHost

  /** Not called: a client's channel is open from its first moment. */
  arrived(): void {}

  left(_channel: Channel<undefined>, why: CloseReason): void {
    this.#channel = undefined;
    this.#heartbeat.stop();
    this.#ended?.();
    this.#again(why);
  }

  async #dial(): Promise<void> {
    const url = await this.#deps.dialer.url();
    if (this.#stopped) return;
    const { clock, log, dial } = this.#deps;
    await dial(url, (conn) => this.#connected(conn), { clock, log, timeoutMs: this.#options.dialWaitMs });
  }

  #connected(conn: Conn): Channel<undefined> {
    conn.limit(this.#options.frameBytes);
    const channel = new Channel<undefined>(conn, this, this.#options.dialWaitMs);
    this.#channel = channel;
    channel.open(this.#options.id, undefined);
    if (this.#stopped) channel.close(CLOSE.NORMAL);
    else {
      this.#heartbeat.start(conn);
      this.#deps.dialer.greet(channel);
    }
    return channel;
  }

  #again(why: CloseReason): void {
    const { reconnect, reconnectAlways } = this.#options;
    const wanted = !this.#stopped && reconnect !== undefined && (why.reconnect || reconnectAlways);
    const inMs = wanted ? this.#backoff.next() : undefined;
    this.#deps.listener.disconnected(why, inMs);
    if (inMs === undefined || this.#stopped) return;
    this.#waiting = this.clock.after(inMs, () => this.#attempt());
  }

  #attempt(): void {
    this.#dial().catch((thrown) => {
      this.log.warn("connecting failed", { id: this.#options.id, error: thrown });
      this.#again(CLOSE.GONE);
    });
  }
}

/** Pings of one connection after the other. */
class Heartbeat extends Deadline {
  readonly #wheel: TimerWheel;
  readonly #everyMs: number;
  #conn: Conn | undefined;

  constructor(wheel: TimerWheel, everyMs: number) {
    super();
    this.#wheel = wheel;
    this.#everyMs = everyMs;
  }

  start(conn: Conn): void {
    this.#conn = conn;
    if (this.#everyMs > 0) this.#wheel.wakeIn(this, this.#everyMs);
  }

  stop(): void {
    this.#conn = undefined;
    this.#wheel.remove(this);
  }

  expired(): void {
    if (!this.#conn) return;
    this.#conn.ping();
    this.#wheel.wakeIn(this, this.#everyMs);
  }
}
