import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/logger.ts";
import { Metrics } from "../base/metrics.ts";
import { TimerWheel } from "../base/timer_wheel.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import { LIMITS } from "../protocol/limits.ts";
import type { Acceptor, Admission, Arrival, Refusal } from "./acceptor.ts";
import { Channel, type ChannelHost } from "./channel.ts";
import { CHANNEL_RULES, type ChannelRules } from "./channel_rules.ts";
import { ChannelMap } from "./channel_map.ts";
import { FlushList } from "./flush_list.ts";
import type { MessageListener, StateListener } from "./listeners.ts";
import type { Accept, Conn, ConnEvents, Listening } from "./ports.ts";
import { QueueBudget } from "./queue_budget.ts";
import { ipOf, UNIX } from "./remote.ts";
import { ServerMetrics } from "./server_metrics.ts";
import { CLOSE_WAIT_MS } from "./stream_conn.ts";

/** Times in ms, sizes in bytes. */
export interface ServerOptions {
  /** From the accepted connection to the acceptor's decision. */
  readonly loginWaitMs: number;
  /** Frames of connections that were not let in, and of those that were. */
  readonly limits: { readonly before: number; readonly open: number };
  readonly rules: ChannelRules;
  /** Connections in all, those that are not let in yet, and from one address; 0: off. */
  readonly connections: number;
  readonly arrivals: number;
  readonly connectionsPerIp: number;
  /** Closing all channels at a stop is spread over this. */
  readonly drainMs: number;
}

export const SERVER_DEFAULTS: ServerOptions = {
  loginWaitMs: 10_000,
  limits: { before: LIMITS.beforeLogin.frameBytes, open: LIMITS.client.frameBytes },
  rules: CHANNEL_RULES,
  connections: 0,
  arrivals: 0,
  connectionsPerIp: 0,
  drainMs: 5_000,
};

export interface ServerDeps<T> {
  readonly clock: Clock;
  readonly log: Logger;
  readonly acceptor: Acceptor<T>;
  readonly messages: MessageListener<T>;
  readonly states: StateListener<T>;
  readonly metrics?: Metrics;
  /** One for all servers of a process; made here when not given. */
  readonly flush?: FlushList;
  readonly budget?: QueueBudget;
}

/** Packets of a connection whose acceptor has not decided yet, together. */
const HELD_BYTES = 64 << 10;
const DRAIN_STEP_MS = 50;

/**
 * The server side of client connections and of links, whatever the transport: hand `accept` to what listens. The
 * acceptor decides on each connection's first packet, the message listener gets the rest.
 */
export class Server<T> implements ChannelHost<T>, AsyncDisposable {
  readonly clock: Clock;
  readonly log: Logger;
  readonly rules: ChannelRules;
  readonly wheel: TimerWheel;
  readonly flush: FlushList;
  readonly budget: QueueBudget;
  readonly messages: MessageListener<T>;
  readonly channels = new ChannelMap<T>();
  readonly options: ServerOptions;
  readonly #acceptor: Acceptor<T>;
  readonly #states: StateListener<T>;
  readonly #arrivals = new Set<Channel<T>>();
  /** Every connection, also those that are closing. */
  readonly #all = new Set<Channel<T>>();
  readonly #perIp = new Map<string, number>();
  readonly #listenings: Listening[] = [];
  readonly #counts: ServerMetrics;
  #stopped: Promise<void> | undefined;
  #emptied: (() => void) | undefined;

  constructor(options: Partial<ServerOptions>, deps: ServerDeps<T>) {
    this.options = { ...SERVER_DEFAULTS, ...options };
    this.rules = this.options.rules;
    this.clock = deps.clock;
    this.log = deps.log;
    this.#acceptor = deps.acceptor;
    this.messages = deps.messages;
    this.#states = deps.states;
    this.#counts = new ServerMetrics(deps.metrics ?? new Metrics());
    this.wheel = new TimerWheel(deps.clock);
    this.flush = deps.flush ?? new FlushList(deps.clock, deps.log);
    this.budget = deps.budget ?? new QueueBudget(this.flush);
  }

  /** Connections, also those that are not let in yet or closing. */
  get connections(): number {
    return this.#all.size;
  }

  /** Connections that are not let in yet. */
  get arrivals(): number {
    return this.#arrivals.size;
  }

  /** What listens belongs to this server from now on: it is stopped with it. */
  listening(listening: Listening): void {
    this.#listenings.push(listening);
    if (this.#stopped) void listening[Symbol.asyncDispose]();
  }

  /** Takes a connection. One too many is told so, then closed. */
  readonly accept: Accept = (conn) => this.#accept(conn, conn.remote);

  /**
   * As `accept`, for a client at `remote` (`ip:port`) behind a proxy that is trusted to know. Undefined when no more
   * are wanted now: stopping, or one of the limits is reached.
   */
  acceptFrom(remote: string): Accept | undefined {
    if (!this.#refusal(remote)) return (conn) => this.#accept(conn, remote);
    this.#counts.refused.inc();
    return undefined;
  }

  /** Sends to a channel; false when there is none or it does not take it. */
  push(id: string, packet: Uint8Array): boolean {
    return this.channels.get(id)?.push(packet) ?? false;
  }

  /** Closes every channel that is here now, evenly over `spreadMs`. */
  closeAll(why: CloseReason, spreadMs = 0): void {
    const list = [...this.#all];
    let done = 0;
    const closeUpTo = (count: number) => {
      while (done < count) list[done++]!.close(why);
    };
    if (spreadMs <= 0) return closeUpTo(list.length);
    const startMs = this.clock.mono();
    const timer = this.clock.every(DRAIN_STEP_MS, () => {
      closeUpTo(Math.min(list.length, Math.ceil(list.length * (this.clock.mono() - startMs) / spreadMs)));
      if (done === list.length || this.#all.size === 0) timer.stop();
    });
  }

  /** No connection comes any more; those that are here stay. */
  stopAccepting(): void {
    for (const one of this.#listenings) one.stopAccepting();
  }

  /**
   * Stops accepting, closes every channel with `why` over `drainMs`, lets what is queued leave, drops what is left.
   * Calling it again gives the same promise.
   */
  stop(why: CloseReason = CLOSE.SHUTDOWN): Promise<void> {
    return this.#stopped ??= this.#stop(why);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(why: CloseReason): Promise<void> {
    this.stopAccepting();
    for (const arrival of [...this.#arrivals]) arrival.close(why);
    const { drainMs } = this.options;
    this.closeAll(why, drainMs);
    await this.#empty(drainMs + CLOSE_WAIT_MS + 2 * DRAIN_STEP_MS);
    for (const channel of [...this.#all]) channel.destroy();
    await this.#empty(CLOSE_WAIT_MS);
    await Promise.all(this.#listenings.map((one) => one[Symbol.asyncDispose]()));
    this.wheel[Symbol.dispose]();
  }

  /** Waits until no connection is left, but not longer than this. */
  async #empty(ms: number): Promise<void> {
    if (this.#all.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#emptied = resolve;
    const limit = this.clock.after(ms, resolve);
    await promise;
    limit.stop();
  }

  // ---- a connection's way in

  #accept(conn: Conn, remote: string): ConnEvents {
    const why = this.#refusal(remote);
    if (why) {
      this.#counts.refused.inc();
      conn.close(why);
      return REFUSED;
    }
    this.#counts.accepted.inc();
    conn.limit(this.options.limits.before);
    const channel = new Channel<T>(conn, this, this.options.loginWaitMs, remote);
    this.#all.add(channel);
    this.#arrivals.add(channel);
    this.#count(remote, 1);
    return channel;
  }

  #refusal(remote: string): CloseReason | undefined {
    const { connections, arrivals, connectionsPerIp } = this.options;
    if (this.#stopped) return CLOSE.SHUTDOWN;
    if (connections > 0 && this.#all.size >= connections) return CLOSE.OVERLOAD;
    if (arrivals > 0 && this.#arrivals.size >= arrivals) return CLOSE.OVERLOAD;
    if (connectionsPerIp > 0 && (this.#perIp.get(ipOf(remote)) ?? 0) >= connectionsPerIp) return CLOSE.OVERLOAD;
    return undefined; // peers on a unix socket are never counted
  }

  #count(remote: string, by: 1 | -1): void {
    if (this.options.connectionsPerIp === 0 || remote === UNIX) return;
    const ip = ipOf(remote);
    const count = (this.#perIp.get(ip) ?? 0) + by;
    if (count > 0) this.#perIp.set(ip, count);
    else this.#perIp.delete(ip);
  }

  arrived(channel: Channel<T>, arrival: Arrival, packet: Uint8Array): void {
    if (arrival.asked) {
      if (!arrival.hold(packet, HELD_BYTES)) channel.close(CLOSE.OVERLOAD);
      return;
    }
    arrival.asked = true;
    const decision = this.#acceptor.accept(channel, packet.slice());
    if (!(decision instanceof Promise)) return this.#decided(channel, decision);
    channel.pauseForAcceptor();
    decision.then((one) => this.#decided(channel, one)).catch((thrown) => channel.failed(thrown));
  }

  #decided(channel: Channel<T>, decision: Admission<T> | Refusal): void {
    if ("refuse" in decision) {
      if (decision.reply) channel.reply(decision.reply);
      return channel.close(decision.refuse);
    }
    const held = channel.open(decision.id, decision.data);
    if (channel.at !== "open") {
      channel.id = decision.id;
      channel.data = decision.data;
      return this.#states.disconnected(channel, CLOSE.GONE); // it left while the acceptor was deciding
    }
    this.#arrivals.delete(channel);
    if (decision.replace) this.channels.replace(channel)?.close(CLOSE.SHUTDOWN);
    else if (!this.channels.add(channel)) return channel.close(CLOSE.LOGIN_FAILED);
    channel.conn.limit(this.options.limits.open);
    this.#states.connected?.(channel);
    for (const packet of held) channel.packet(packet);
    channel.resumeForAcceptor();
  }

  left(channel: Channel<T>, why: CloseReason): void {
    this.#all.delete(channel);
    this.#counts.closed(why);
    const admitted = !this.#arrivals.delete(channel);
    this.#count(channel.remote, -1);
    if (this.#all.size === 0) this.#emptied?.();
    if (!admitted) return this.#states.turnedAway?.(channel, why);
    this.channels.remove(channel);
    this.#states.disconnected(channel, why);
  }
}

const REFUSED: ConnEvents = { packet() {}, alive() {}, pinged() {}, drained() {}, closed() {} };
