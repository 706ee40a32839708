import type { Clock, Timer } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Counter, Metrics } from "../../base/metrics.ts";
import type { Agent } from "../../comm/listeners.ts";
import type { Accept, Listening } from "../../comm/ports.ts";
import { Server } from "../../comm/server.ts";
import type { Hmac } from "../../protocol/claims.ts";
import { CLOSE, type CloseReason } from "../../protocol/close_reason.ts";
import { LIMITS } from "../../protocol/limits.ts";
import type { Downlink, LinkLogic, Upward } from "../link.ts";
import { LinkAcceptor } from "./link_acceptor.ts";
import { BEAT_MS, type Lifeless, PETREL_PULSE, type PulseTimes } from "./pulse.ts";
import { RareLog } from "./rare_log.ts";
import { ServerLink, type ServerLinkHost } from "./server_link.ts";
import { decodeUp } from "./up_codec.ts";

/** Times in ms, sizes in bytes. */
export interface LinkServerOptions {
  /** This logic server's id. */
  readonly serviceId: string;
  /** Work of a KIM gateway's client must begin within this; Petrel's gateways say how much of it is left. */
  readonly startWithinMs: number;
  /** When more waits on a link, pushes are dropped: the gateway is told to look for them (`im.look`). */
  readonly queueBytes: number;
  /** When more waits, of which no reply is dropped, the link is cut. */
  readonly cutBytes: number;
  readonly pulse: PulseTimes;
  /** A linked gateway has so long to show life when another one comes with its id. */
  readonly probeMs: number;
  /** From the connection to the handshake. */
  readonly handshakeMs: number;
  /** Connections that have not made their handshake. */
  readonly arrivals: number;
}

export const LINK_SERVER_DEFAULTS: Omit<LinkServerOptions, "serviceId"> = {
  startWithinMs: 4_000,
  queueBytes: 8 << 20,
  cutBytes: 64 << 20,
  pulse: PETREL_PULSE,
  probeMs: 700,
  handshakeMs: 10_000,
  arrivals: 1_000,
};

export interface LinkServerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly logic: LinkLogic;
  /** HMAC-SHA256 with the cluster secret; undefined: every gateway that connects is let in. */
  readonly sign?: Hmac | undefined;
  /** May gateways at this address link without a proof? Default: none. */
  readonly isKimPeer?: ((ip: string) => boolean) | undefined;
}

/** What waits closes no link here: `ServerLink` decides on each packet, its pulse on silence. */
const RULES = { pushBytes: Infinity, replyBytes: Infinity, oldestMs: 10_000, readWaitMs: 180_000 } as const;

/** The links of a logic server: hand `accept` to what listens. Source: proto/WIRE.md "Link". */
export class LinkServer implements ServerLinkHost, AsyncDisposable {
  readonly clock: Clock;
  readonly pulse: PulseTimes;
  readonly startWithinMs: number;
  readonly queueBytes: number;
  readonly cutBytes: number;
  readonly #logic: LinkLogic;
  readonly #server: Server<ServerLink>;
  readonly #links = new Map<string, ServerLink>();
  readonly #log: Logger;
  readonly #rare: RareLog;
  readonly #timer: Timer;
  readonly #dropped: Counter;
  readonly #stalls: Counter;
  #stopping: Promise<void> | undefined;

  constructor(options: Partial<LinkServerOptions> & Pick<LinkServerOptions, "serviceId">, deps: LinkServerDeps) {
    const { clock, log, metrics, logic, sign, isKimPeer } = deps;
    const all = { ...LINK_SERVER_DEFAULTS, ...options };
    this.clock = clock;
    this.pulse = all.pulse;
    this.startWithinMs = all.startWithinMs;
    this.queueBytes = all.queueBytes;
    this.cutBytes = all.cutBytes;
    this.#logic = logic;
    this.#log = log;
    this.#rare = new RareLog(clock, log);
    this.#dropped = metrics.counter("petrel_link_dropped_total", "Channels whose push found its link full");
    this.#stalls = metrics.counter("petrel_link_stalls_total", "Times this process stood still for too long");
    const refused = metrics.counter("petrel_link_refused_total", "Gateways that were not let in");
    metrics.gauge("petrel_gateway_links", "Linked gateways", () => this.#links.size);
    const acceptor = new LinkAcceptor({
      serviceId: all.serviceId,
      clock,
      sign,
      isKimPeer: isKimPeer ?? (() => false),
      probeMs: all.probeMs,
      log: this.#rare,
      refused,
      find: (gateId) => this.#links.get(gateId),
      make: (hello, agent) => new ServerLink(hello, agent, this),
    });
    this.#server = new Server<ServerLink>({
      loginWaitMs: all.handshakeMs,
      limits: { before: LIMITS.beforeLogin.frameBytes, open: LIMITS.link.frameBytes },
      rules: RULES,
      arrivals: all.arrivals,
      drainMs: 0,
    }, {
      clock,
      log,
      acceptor,
      messages: { receive: (channel, packet) => void this.#receive(channel, packet) },
      states: {
        turnedAway: ({ remote }, why) => this.#turnedAway(remote, why),
        connected: (channel) => this.#connected(channel.data),
        disconnected: (channel, why) => this.#disconnected(channel.data, why),
      },
    });
    this.#timer = clock.every(BEAT_MS, () => this.#beat());
  }

  readonly accept: Accept = (conn) => this.#server.accept(conn);

  /** What listens belongs to this server from now on: it is stopped with it. */
  listening(listening: Listening): void {
    this.#server.listening(listening);
  }

  /** The linked gateways, by id. */
  get links(): ReadonlyMap<string, Downlink> {
    return this.#links;
  }

  /** Ends all links, sending what waits, and stops listening. Calling it again gives the same promise. */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  // ---- ServerLinkHost

  dropped(link: ServerLink, channels: number): void {
    this.#dropped.inc(Math.max(1, channels));
    this.#rare.warn("link full: pushes are dropped", link.peerId, { gateId: link.peerId });
  }

  tooLarge(link: ServerLink, command: string, bytes: number): void {
    this.#rare.warn("link: too large for a frame, dropped", command, { gateId: link.peerId, command, bytes });
  }

  overfull(link: ServerLink): void {
    this.#cut(link, "link cut: the gateway does not read");
  }

  // ---- a link's life

  async #stop(): Promise<void> {
    this.#timer.stop();
    for (const link of [...this.#links.values()]) this.#end(link, CLOSE.SHUTDOWN);
    await this.#server.stop();
  }

  /** Whom the acceptor refused it has logged itself. */
  #turnedAway(remote: string, why: CloseReason): void {
    if (why === CLOSE.GONE || why === CLOSE.UNAUTHORIZED || why === CLOSE.BAD_DATA) return;
    this.#rare.warn("link refused: no handshake came", why.reason, { remote, why: why.reason });
  }

  #connected(link: ServerLink): void {
    const old = this.#links.get(link.peerId);
    if (old) this.#end(old, CLOSE.GONE);
    this.#links.set(link.peerId, link);
    const { peerId: gateId, kim, agent } = link;
    this.#log.info("link up", { gateId, remote: agent.remote, kim });
    this.#logic.attach(link);
  }

  #receive(channel: Agent<ServerLink>, packet: Uint8Array): void {
    // hot: per packet
    const link = channel.data;
    const now = this.clock.mono();
    if (!link.open) return;
    if (link.pulse.stalled(now)) return this.#stalled();
    let request: Upward;
    try {
      request = decodeUp(packet, link, now);
    } catch (thrown) {
      return this.#cut(link, "link cut: what came is no request", thrown);
    }
    this.#logic.up(request, link);
  }

  #beat(): void {
    for (const link of [...this.#links.values()]) {
      const why: Lifeless | undefined = link.pulse.beat();
      if (why === "stalled") return this.#stalled();
      if (why === "silent") this.#cut(link, "link cut: nothing was heard");
      else link.beat();
    }
  }

  /** This process was stopped for so long that its gateways have given it up: nothing unread may be carried out. */
  #stalled(): void {
    this.#stalls.inc();
    this.#log.warn("links cut: this process stood still", { links: this.#links.size });
    for (const link of [...this.#links.values()]) if (!link.kim) this.#end(link, CLOSE.GONE);
  }

  #disconnected(link: ServerLink, why: CloseReason): void {
    const quiet = why === CLOSE.GONE || why === CLOSE.SHUTDOWN || why === CLOSE.NORMAL;
    if (quiet) this.#end(link, why);
    else this.#cut(link, `link cut: ${why.reason}`);
  }

  #cut(link: ServerLink, what: string, error?: unknown): void {
    if (!link.open) return;
    const { peerId: gateId, agent: { remote } } = link;
    const fields = error === undefined ? { gateId, remote } : { gateId, remote, error: ImError.from(error) };
    this.#rare.warn(what, gateId, fields);
    this.#end(link, CLOSE.GONE);
  }

  #end(link: ServerLink, why: CloseReason): void {
    if (!link.end(why) || this.#links.get(link.peerId) !== link) return; // it left before it was let in
    this.#links.delete(link.peerId);
    this.#log.info("link down", { gateId: link.peerId, why: why.reason });
    this.#logic.closed(link);
  }
}
