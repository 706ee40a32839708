// A little over 300 lines: the two sides of a gateway meet in this class; what they do is in receive.ts and deliver.ts.
import { type Clock, sleep } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Metrics } from "../../base/metrics.ts";
import { Forwarder } from "../../container/forward.ts";
import type { Downward, Uplink, UplinkEvents, Upward } from "../../container/link.ts";
import { CLOSE, type CloseReason } from "../../protocol/close_reason.ts";
import type { Hmac } from "../../protocol/claims.ts";
import { makeHeader, NO_META } from "../../protocol/header.ts";
import { NO_BODY } from "../../protocol/packet.ts";
import { NO_REVOCATIONS, type Revocation, Revocations, type RevocationSource } from "../../session/revocations.ts";
import { Asks } from "./asks.ts";
import { CatchUp } from "./catch_up.ts";
import { type ChannelAgent, ClientChannel } from "./client_channel.ts";
import type { GatewayConfig } from "./config.ts";
import type { GatewayCore } from "./core.ts";
import { deliver } from "./deliver.ts";
import { type LoginRequest, readLogin, type Refusal, refusal, sessionBody, type TokenCheck } from "./login.ts";
import { GatewayMetrics } from "./metrics.ts";
import { RateLimit } from "./rate.ts";
import { Reading } from "./reading.ts";
import { receive } from "./receive.ts";
import { Rooms } from "./rooms.ts";

/** What a gateway stands on. */
export interface GatewayDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** HMAC-SHA256 with the token secret. */
  readonly hmac: Hmac;
  /** Default: nothing is revoked. */
  readonly revocations?: RevocationSource;
}

/** Packets that may come before the login is answered. */
const EARLY = { packets: 64, bytes: 64 << 10 } as const;
const TICK_MS = 50;
const LATE = "Cannot log in now: try again";

/**
 * A gateway: client channels on one side, links to logic servers on the other. It checks tokens, stamps and forwards
 * requests by command prefix, and gives each channel its inbox without holes. It holds no user data.
 */
export class Gateway implements GatewayCore, UplinkEvents {
  readonly id: string;
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly count: GatewayMetrics;
  readonly catchUp: CatchUp;
  readonly rooms: Rooms;
  readonly rate: RateLimit;
  readonly reading: Reading;
  readonly #log: Logger;
  readonly #token: TokenCheck;
  readonly #asks: Asks;
  readonly #chat = new Forwarder();
  readonly #channels = new Map<string, ClientChannel>();
  readonly #early = new Map<ClientChannel, { packets: Uint8Array[]; bytes: number }>();
  /** Channels whose state ends by itself (`endsMs`). */
  readonly #ending = new Set<ClientChannel>();
  readonly #timer: { stop(): void };
  readonly #watch: { stop(): void };
  /** Makes channel ids unique across restarts. */
  readonly #boot: string;
  #made = 0;
  #secondMs = 0;

  constructor(config: GatewayConfig, deps: GatewayDeps) {
    this.id = config.serviceId;
    this.config = config;
    this.clock = deps.clock;
    this.#log = deps.log;
    const revoked = deps.revocations ?? NO_REVOCATIONS;
    this.#token = { hmac: deps.hmac, hash: revoked.hash, revocations: new Revocations() };
    this.count = new GatewayMetrics(deps.metrics);
    this.rate = new RateLimit(deps.clock, config.messageRate);
    this.reading = new Reading(deps.clock);
    this.#asks = new Asks(this.id, deps.clock);
    this.catchUp = new CatchUp(this.#asks, deps.clock, deps.log, deps.metrics);
    this.rooms = new Rooms(this.#asks, deps.clock);
    this.#boot = Math.floor(deps.clock.now()).toString(36);
    deps.metrics.gauge("petrel_channels", "Client channels, logged in or logging in", () => this.#channels.size);
    this.#watch = revoked.watch((list) => this.#revoked(list));
    this.#timer = deps.clock.every(TICK_MS, () => this.#guard("ticking failed", () => this.#tick()));
  }

  get size(): number {
    return this.#channels.size;
  }

  /** Is there a logic server to forward to? */
  get ready(): boolean {
    return this.#chat.pick("") !== undefined;
  }

  channel(id: string): ClientChannel | undefined {
    return this.#channels.get(id);
  }

  channels(): Iterable<ClientChannel> {
    return this.#channels.values();
  }

  attach(link: Uplink): void {
    this.#chat.add(link);
    this.#repin();
  }

  // ---- from clients

  /** A connection's first packet. A channel: the login is on its way. Otherwise: send the packet, then close. */
  first(agent: ChannelAgent, remoteIp: string, bytes: Uint8Array): ClientChannel | Refusal {
    const login = readLogin(bytes, this.clock.now() / 1000, this.#token);
    if (login.at === "refused") {
      this.count.login(login.status);
      return login;
    }
    const { acc: account, app } = login.claims;
    const link = this.#chat.pick(account);
    if (!link) return this.#refuse(login, "Cannot log in: no server is ready, try again");
    const id = `${this.id}_${account}_${this.#boot}${(this.#made++).toString(36).padStart(5, "0")}`;
    const channel = new ClientChannel(id, agent, login, this.catchUp);
    channel.link = link;
    // Registered before it is forwarded: the answer comes back through the channel table.
    this.#channels.set(id, channel);
    const now = this.clock.mono();
    const request: Upward = {
      header: makeHeader("login.signin", { channelId: id, sequence: login.header.sequence, dest: login.header.dest }),
      body: sessionBody(login, id, this.id, remoteIp),
      app,
      account,
      device: login.device,
      caps: login.caps,
      content: login.content,
      gateId: this.id,
      key: undefined,
      startBy: now + this.config.startWithinMs,
      again: false,
    };
    if (!link.send(request)) {
      this.#channels.delete(id);
      return this.#refuse(login, "Cannot log in: the server is busy, try again");
    }
    this.endLater(channel, this.config.loginAnswerMs);
    return channel;
  }

  /** A later packet. Before the login is answered it waits. */
  receive(channel: ClientChannel, bytes: Uint8Array): void {
    if (channel.state === "open" || channel.state === "kicked") return receive(this, channel, bytes);
    if (channel.state === "closed" || channel.loginFailed) return;
    let early = this.#early.get(channel);
    if (!early) this.#early.set(channel, early = { packets: [], bytes: 0 });
    early.bytes += bytes.length;
    early.packets.push(bytes.slice());
    if (early.packets.length > EARLY.packets || early.bytes > EARLY.bytes) channel.agent.close(CLOSE.OVERLOAD);
  }

  /** The login was answered: what came meanwhile is taken now. */
  opened(channel: ClientChannel): void {
    this.#log.debug("channel opened", { channelId: channel.id, app: channel.app, account: channel.account });
    this.reading.opened(channel);
    const early = this.#early.get(channel);
    this.#early.delete(channel);
    for (const bytes of early?.packets ?? []) receive(this, channel, bytes);
  }

  /** A transport ping counts like a packet's. */
  pinged(channel: ClientChannel): void {
    this.catchUp.pinged(channel);
    this.rooms.pinged(channel);
  }

  disconnected(channel: ClientChannel, why: CloseReason): void {
    if (channel.state === "closed") return;
    channel.state = "closed";
    this.#channels.delete(channel.id);
    this.#early.delete(channel);
    this.#ending.delete(channel);
    this.catchUp.forget(channel);
    this.rooms.forget(channel);
    this.signOut(channel.id);
    this.#log.debug("channel closed", { channelId: channel.id, account: channel.account, why: why.reason });
  }

  // ---- towards logic

  /** Where this channel's requests go: it stays with its server until that is gone, or draining with nothing waiting. */
  linkOf(channel: ClientChannel): Uplink | undefined {
    const { link } = channel;
    if (link && (link.state === "open" || (link.state === "draining" && channel.waitsForAnswers))) return link;
    const next = this.#chat.pick(channel.account);
    if (next) channel.link = next;
    return next ?? (link?.state === "draining" ? link : undefined);
  }

  /** Tells logic that a channel is gone. Nobody waits for the answer; the login's generation protects newer ones. */
  signOut(channelId: string): void {
    this.#chat.pick(channelId)?.send({
      header: makeHeader("login.signout", { channelId, meta: NO_META }),
      body: NO_BODY,
      app: "",
      account: "",
      device: "",
      caps: false,
      content: "protobuf",
      gateId: this.id,
      key: undefined,
      startBy: this.clock.mono() + this.config.startWithinMs,
      again: false,
    });
  }

  /** The channel's present state ends after `ms`: an unanswered login fails, a kicked channel closes. */
  endLater(channel: ClientChannel, ms: number): void {
    channel.endsMs = this.clock.mono() + ms;
    this.#ending.add(channel);
  }

  // ---- from logic

  down(packet: Downward): void {
    if (packet.gateId !== this.id) return; // another gateway's: the peer mixed up its links
    // Whatever breaks here is one packet's: the link and the process go on.
    this.#guard("delivering failed", () => {
      if (packet.room) this.rooms.offer(packet, packet.room.app, packet.room.seq);
      else if (packet.channels.length === 0) this.#asks.answered(packet);
      else deliver(this, packet);
    });
  }

  changed(link: Uplink): void {
    if (link.state !== "closed") return;
    this.#chat.remove(link);
    this.#asks.lost(link);
    this.#repin();
  }

  /** Before a stop: nothing more is read, and what was forwarded is answered, for at most `waitMs`. */
  async quiesce(waitMs: number): Promise<void> {
    this.reading.stop(this.#channels.values());
    const until = this.clock.mono() + waitMs;
    const busy = (): boolean => [...this.#channels.values()].some((channel) => channel.waitsForAnswers);
    while (busy() && this.clock.mono() < until) await sleep(this.clock, TICK_MS);
  }

  [Symbol.dispose](): void {
    this.#timer.stop();
    this.#watch.stop();
  }

  /** Channels without a living server get another; what they wait for is forwarded again, in order, with its keys. */
  #repin(): void {
    for (const channel of this.#channels.values()) {
      if (channel.link && channel.link.state !== "closed") continue;
      if (channel.state === "login") {
        this.#failLogin(channel);
        continue;
      }
      channel.link = undefined;
      const link = this.linkOf(channel);
      if (!link) continue;
      if (!channel.waitsForAnswers) continue;
      for (const request of channel.unanswered.waiting()) {
        this.count.reforwarded.inc();
        if (link.send({ ...request, again: true })) continue;
        channel.agent.close(CLOSE.OVERLOAD); // what follows must not overtake it
        break;
      }
    }
    // Pushes of any channel may have been on a link that broke, or were not sent while there was none.
    this.catchUp.heads(this.#channels.values());
    this.rooms.heads();
  }

  #tick(): void {
    const now = this.clock.mono();
    this.catchUp.expire(now);
    this.rooms.expire(now);
    for (const channel of this.#ending) {
      if (channel.endsMs > now && channel.endsMs !== Infinity) continue;
      this.#ending.delete(channel);
      if (channel.endsMs === Infinity) continue;
      if (channel.state === "login") this.#failLogin(channel);
      else if (channel.state === "kicked") channel.agent.close(CLOSE.KICKED);
    }
    if (now - this.#secondMs < 1000) return;
    this.#secondMs = now;
    this.#asks.expire(now);
    this.catchUp.second();
    this.rooms.second();
    const seconds = this.clock.now() / 1000;
    for (const channel of this.#channels.values()) {
      if (channel.expires <= seconds) channel.agent.close(CLOSE.TOKEN_EXPIRED);
    }
  }

  /** Who is refused from now on is let in no more, and goes. */
  #revoked(list: readonly Revocation[]): void {
    const { revocations } = this.#token;
    const seconds = this.clock.now() / 1000;
    revocations.replace(list, seconds);
    for (const { app, account, tokenHash, agent } of [...this.#channels.values()]) {
      if (revocations.refuses({ app, account, token: tokenHash }, seconds)) agent.close(CLOSE.REVOKED);
    }
  }

  #guard(what: string, run: () => void): void {
    try {
      run();
    } catch (thrown) {
      this.#log.error(what, { error: ImError.from(thrown) });
    }
  }

  #failLogin(channel: ClientChannel): void {
    if (channel.loginFailed) return;
    channel.loginFailed = true;
    this.#early.delete(channel);
    this.count.login("no answer");
    const request = makeHeader("login.signin", { sequence: channel.loginSequence });
    const { packet, why } = refusal(request, channel.content, "SYSTEM", CLOSE.LOGIN_FAILED, LATE);
    channel.agent.reply(packet!);
    channel.agent.close(why);
  }

  #refuse(login: LoginRequest, message: string): Refusal {
    this.count.login("no server");
    return refusal(login.header, login.content, "SYSTEM", CLOSE.LOGIN_FAILED, message);
  }
}
