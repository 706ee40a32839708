// A little over 300 lines: the two sides of a gateway meet in this class; what they do is in receive.ts and deliver.ts.
import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Metrics } from "../../base/metrics.ts";
import type { Downward, LinkGateway, Uplink } from "../../container/link.ts";
import type { RouteTable } from "../../container/route_file.ts";
import { CLOSE, type CloseReason } from "../../protocol/close_reason.ts";
import type { Hmac } from "../../protocol/claims.ts";
import { encodeBody } from "../../protocol/bodies.ts";
import { LOOK } from "../../protocol/commands.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import type { Leases } from "../../session/leases.ts";
import { NO_REVOCATIONS, type Revocation, Revocations, type RevocationSource } from "../../session/revocations.ts";
import { Asks } from "./asks.ts";
import { CatchUp } from "./catch_up.ts";
import { type ChannelAgent, ClientChannel } from "./client_channel.ts";
import type { GatewayConfig } from "./config.ts";
import type { GatewayCore } from "./core.ts";
import { deliver } from "./deliver.ts";
import { Forwarding } from "./forwarding.ts";
import { GatewayLease } from "./lease.ts";
import { Leaving } from "./leaving.ts";
import {
  aboutOf,
  type LoginRequest,
  loginRequest,
  readLogin,
  type Refusal,
  refusal,
  type TokenCheck,
} from "./login.ts";
import { GatewayMetrics } from "./metrics.ts";
import { RateLimit } from "./rate.ts";
import { Reading } from "./reading.ts";
import { receive, refuseLate } from "./receive.ts";
import { Restore } from "./restore.ts";
import { RoomCheck } from "./room_check.ts";
import { Rooms } from "./rooms.ts";
import { SignOuts } from "./sign_outs.ts";

/** What a gateway stands on. */
export interface GatewayDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** HMAC-SHA256 with the token secret. */
  readonly hmac: Hmac;
  /** Default: nothing is revoked. */
  readonly revocations?: RevocationSource;
  /** Zones of logic servers; default: none. */
  readonly routes?: RouteTable | undefined;
  /** Where the lease of `config.incarnation` is held; default: sessions count without one. */
  readonly leases?: Leases | undefined;
}

/** Packets that may come before the login is answered. */
const EARLY = { packets: 64, bytes: 64 << 10 } as const;
const TICK_MS = 50;
/** A tick that comes so late follows a standstill. */
const STOOD_STILL_MS = 4 * TICK_MS;
const LATE = "Cannot log in now: try again";
/** While the lease is not held pushes do not find its channels: heads are asked for so often. */
const NOT_FOUND_MS = 5_000;

/**
 * A gateway: client channels on one side, links to logic servers on the other. It checks tokens, stamps and forwards
 * requests by command prefix, and gives each channel its inbox without holes. It holds no user data.
 */
export class Gateway implements GatewayCore, LinkGateway {
  readonly id: string;
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly count: GatewayMetrics;
  readonly catchUp: CatchUp;
  readonly rooms: Rooms;
  readonly roomCheck: RoomCheck;
  readonly rate: RateLimit;
  readonly reading: Reading;
  readonly forwarding: Forwarding;
  readonly #log: Logger;
  readonly #token: TokenCheck;
  readonly #asks: Asks;
  readonly #restore: Restore;
  readonly #signOuts: SignOuts;
  readonly #leaving = new Leaving();
  readonly #lease: GatewayLease | undefined;
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
  #tickedMs = Infinity;
  #lookedMs = 0;

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
    const asking = { ...deps, asks: this.#asks, gateId: this.id };
    const { startWithinMs } = config;
    this.forwarding = new Forwarding({
      ...deps,
      refuseLate: (channel, request) => refuseLate(this, channel, request),
    });
    this.#signOuts = new SignOuts({ ...asking, startWithinMs, pick: (spread) => this.forwarding.anyLink(spread) });
    this.#restore = new Restore({ ...asking, restored: (channels) => this.#missed(channels) });
    this.catchUp = new CatchUp(asking, (channels) => {
      this.#lease?.doubt(); // without it nothing can be put back
      this.#restore.add(channels);
    });
    this.rooms = new Rooms(this.#asks, deps.clock);
    this.roomCheck = new RoomCheck(asking, this.rooms);
    this.#boot = Math.floor(deps.clock.now()).toString(36);
    deps.metrics.gauge("petrel_channels", "Client channels, logged in or logging in", () => this.#channels.size);
    this.#watch = revoked.watch((list) => this.#revoked(list));
    if (deps.leases && config.incarnation !== "") {
      this.#lease = new GatewayLease(deps.leases, config.incarnation, deps, {
        fenced: () => this.#leaving.add(this.#channels.values(), CLOSE.FENCED),
        lapsed: () => this.#lapsed(),
        unsure: () => this.#look(),
      });
    }
    this.#timer = deps.clock.every(TICK_MS, () => this.#guard("ticking failed", () => this.#tick()));
  }

  get size(): number {
    return this.#channels.size;
  }

  /** Why clients should not be sent here; undefined: nothing is wrong. */
  get problem(): string | undefined {
    return this.#lease?.problem ?? (this.forwarding.ready ? undefined : "no logic server");
  }

  channel(id: string): ClientChannel | undefined {
    return this.#channels.get(id);
  }

  channels(): Iterable<ClientChannel> {
    return this.#channels.values();
  }

  attach(link: Uplink): void {
    this.forwarding.add(link);
    this.forwarding.settle(this.#channels.values());
    // Pushes of any channel may have been on a link that broke, or were not sent while there was none.
    this.#look();
  }

  // ---- from clients

  /** A connection's first packet. A channel: the login is on its way. Otherwise: send the packet, then close. */
  first(agent: ChannelAgent, remoteIp: string, bytes: Uint8Array): ClientChannel | Refusal {
    const login = readLogin(bytes, this.clock.now() / 1000, this.#token);
    if (login.at === "refused") {
      this.count.login(login.status);
      return login;
    }
    const { acc: account, exp } = login.claims;
    const cannot = this.#lease && !this.#lease.held
      ? "sessions cannot be stored now, try again"
      : this.forwarding.ready
      ? undefined
      : "no server is ready, try again";
    if (this.forwarding.cannotRead(login.content)) {
      this.count.login("no server");
      const message = "Cannot log in: the servers behind this gateway read protobuf bodies only";
      return refusal(login.header, login.content, "INVALID_BODY", CLOSE.BAD_DATA, message);
    }
    if (cannot !== undefined) return this.#refuse(login, `Cannot log in: ${cannot}`);
    const id = `${this.id}_${account}_${this.#boot}${(this.#made++).toString(36).padStart(5, "0")}`;
    const channel = new ClientChannel(id, agent, login, this.catchUp);
    channel.expiresMs = this.clock.mono() + exp * 1000 - this.clock.now();
    if (this.#lease) channel.about = aboutOf(login, remoteIp);
    // Registered before it is forwarded: the answer comes back through the channel table.
    this.#channels.set(id, channel);
    const startBy = this.clock.mono() + this.config.startWithinMs;
    const request = loginRequest(login, { channelId: id, gateId: this.id, remoteIp, startBy });
    if (!this.forwarding.login(channel, request)) {
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
    this.roomCheck.forget(channel);
    this.forwarding.forget(channel);
    this.#restore.forget(channel);
    this.signOut(channel.id);
    this.#log.debug("channel closed", { channelId: channel.id, account: channel.account, why: why.reason });
  }

  // ---- towards logic

  signOut(channelId: string): void {
    this.#signOuts.add(channelId);
  }

  signedOut(channelId: string, ended: boolean): void {
    this.#signOuts.answered(channelId, ended);
  }

  receipt(to: Uplink, receipt: pkt.Receipt): void {
    if (this.#asks.tell(to, "im.receipt", encodeBody(pkt.Receipt, receipt))) return;
    for (const id of receipt.gone) this.signOut(id);
  }

  /** The channel's present state ends after `ms`: an unanswered login fails, a kicked channel closes. */
  endLater(channel: ClientChannel, ms: number): void {
    channel.endsMs = this.clock.mono() + ms;
    this.#ending.add(channel);
  }

  // ---- from logic

  down(packet: Downward, from: Uplink): void {
    if (packet.gateId !== this.id) return; // another gateway's: the peer mixed up its links
    // Whatever breaks here is one packet's: the link and the process go on.
    this.#guard("delivering failed", () => {
      if (packet.room) this.rooms.offer(packet, packet.room.app, packet.room.seq);
      else if (packet.channels.length > 0) deliver(this, packet, from);
      else if (packet.header.flag !== FLAG.PUSH) this.#asks.answered(packet);
      else if (packet.header.command === LOOK) this.#look();
    });
  }

  changed(link: Uplink): void {
    if (link.state === "closed") {
      this.#asks.lost(link);
      this.#signOuts.lost(link);
    }
    this.forwarding.changed(link, this.#channels.values());
    if (link.state === "closed") this.#look();
  }

  /** After a stop, when all channels are closed: gives the lease back. Never rejects. */
  async release(): Promise<void> {
    await this.#lease?.release();
  }

  [Symbol.dispose](): void {
    this.#lease?.[Symbol.dispose]();
    this.#timer.stop();
    this.#watch.stop();
  }

  /** Pushes may have been missed: what lags is fetched. */
  #look(): void {
    this.#missed([...this.#channels.values()]);
    this.rooms.heads();
  }

  /** Pushes to these channels may have been missed, those too that tell of their rooms. */
  #missed(channels: readonly ClientChannel[]): void {
    this.catchUp.look(channels);
    this.roomCheck.add(channels);
  }

  /** The session store lost the sessions, or did not count them: they are put back while their channels go on. */
  #lapsed(): void {
    this.#restore.add(this.#channels.values());
    this.rooms.heads();
  }

  #tick(): void {
    const now = this.clock.mono();
    // What waits in the sockets of a process that stood still came in time: it is read before anybody's time is up.
    const stoodStill = now - this.#tickedMs >= STOOD_STILL_MS;
    this.#tickedMs = stoodStill ? Infinity : now; // twice in a row no tick is left out
    if (stoodStill) return;
    this.catchUp.expire(now);
    this.rooms.expire(now);
    this.forwarding.tick(now);
    this.#signOuts.tick(now);
    this.#restore.tick(now);
    this.roomCheck.tick();
    this.#leaving.tick();
    for (const channel of this.#ending) {
      if (channel.endsMs > now && channel.endsMs !== Infinity) continue;
      this.#ending.delete(channel);
      if (channel.endsMs === Infinity) continue;
      if (channel.state === "login") this.#failLogin(channel);
      else if (channel.state === "kicked") channel.agent.close(CLOSE.KICKED);
    }
    if (now - this.#secondMs >= 1000) this.#second(now);
    this.catchUp.tick();
  }

  #second(now: number): void {
    this.#secondMs = now;
    this.#asks.expire(now);
    this.catchUp.second();
    this.rooms.second();
    if (this.#lease?.held === false && now - this.#lookedMs >= NOT_FOUND_MS) {
      this.#lookedMs = now;
      this.catchUp.look(this.#channels.values());
    }
    for (const channel of this.#channels.values()) {
      if (channel.expiresMs <= now) channel.agent.close(CLOSE.TOKEN_EXPIRED);
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
    channel.login = undefined;
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
