import { createHmac } from "node:crypto";
import { FakeClock } from "../../base/fake_clock.ts";
import type { LogFields, Logger } from "../../base/logger.ts";
import { Metrics } from "../../base/metrics.ts";
import type { Conn, ConnEvents, Listening } from "../../comm/ports.ts";
import { DRAIN } from "../../protocol/commands.ts";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import { MemoryNet } from "../../runtime/memory/mod.ts";
import { tell } from "../dispatch.ts";
import type { Downlink, Downward, LinkGateway, LinkLogic, Uplink, Upward } from "../link.ts";
import { helloBytes } from "./handshake.ts";
import { LinkClient, type LinkClientOptions } from "./link_client.ts";
import { LinkServer, type LinkServerOptions } from "./link_server.ts";

export const sign = (data: Uint8Array): Uint8Array =>
  new Uint8Array(createHmac("sha256", "the cluster's secret").update(data).digest());

/** Lets pipes and the ends of ticks happen. */
export async function settle(turns = 6): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Keeps its warnings. */
export class WarnLog implements Logger {
  readonly warnings: string[] = [];
  readonly fields: LogFields[] = [];
  debug(): void {}
  info(): void {}
  warn(message: string, fields: LogFields = {}): void {
    this.warnings.push(message);
    this.fields.push(fields);
  }
  error(message: string, fields: LogFields = {}): void {
    this.warn(`error: ${message}`, fields);
  }
  child(): Logger {
    return this;
  }
}

/** A gateway that only listens. */
export class Heard implements LinkGateway {
  readonly links: Uplink[] = [];
  readonly packets: Downward[] = [];
  readonly changes: string[] = [];
  attach(link: Uplink): void {
    this.links.push(link);
    this.changes.push(`${link.peerId} up`);
  }
  down(packet: Downward): void {
    this.packets.push(packet);
  }
  changed(link: Uplink): void {
    this.changes.push(`${link.peerId} ${link.state}`);
  }
}

/** A logic server that only listens, and says when it drains. */
export class Asked implements LinkLogic {
  readonly links: Downlink[] = [];
  readonly packets: Upward[] = [];
  readonly changes: string[] = [];
  #draining = false;
  attach(link: Downlink): void {
    this.links.push(link);
    this.changes.push(`${link.peerId} ${link.incarnation} up`);
    if (this.#draining) tell(link, DRAIN);
  }
  drain(): void {
    this.#draining = true;
    for (const link of this.links) tell(link, DRAIN);
  }
  up(packet: Upward): void {
    this.packets.push(packet);
  }
  closed(link: Downlink): void {
    this.changes.push(`${link.peerId} ${link.incarnation} closed`);
  }
}

/** One logic server, and gateways that link to it, on a clock that moves when told. */
export class LinkStand {
  readonly clock = new FakeClock();
  /** The logic server's. */
  readonly serverClock = new FakeClock();
  readonly log = new WarnLog();
  readonly serverLog = new WarnLog();
  readonly metrics = new Metrics();
  readonly net: MemoryNet;
  readonly logic = new Asked();
  server: LinkServer | undefined;
  listening!: Listening;

  constructor(kernelBytes?: number) {
    this.net = new MemoryNet({ clock: this.clock, log: this.log, ...(kernelBytes ? { kernelBytes } : {}) });
  }

  async start(options: Partial<LinkServerOptions> & { isKimPeer?: (ip: string) => boolean } = {}): Promise<this> {
    const { isKimPeer, ...rest } = options;
    const { serverClock: clock, serverLog: log, metrics, logic } = this;
    this.server = new LinkServer({ serviceId: "chat1", ...rest }, { clock, log, metrics, logic, sign, isKimPeer });
    this.listening = await this.net.listenTcp({ hostname: "127.0.0.1", port: 0, clock }, this.server.accept);
    return this;
  }

  get url(): string {
    return this.listening.url;
  }

  /** A gateway's client, started. */
  client(
    gateway: LinkGateway,
    options: Partial<LinkClientOptions> & { secret?: typeof sign | undefined; ended?: () => void } = {},
  ): LinkClient {
    const { secret, ended, ...rest } = { secret: sign, ...options };
    const { clock, log, net } = this;
    const client = new LinkClient(
      { gateId: "gw1", incarnation: "7", logicId: "chat1", ...rest, url: rest.url ?? this.url },
      { clock, log, dial: net.dial, random: () => 0.5, gateway, sign: secret, ended },
    );
    client.start();
    return client;
  }

  /** A raw connection to the server, that says this first. */
  async raw(hello?: Uint8Array): Promise<Raw> {
    const raw = new Raw();
    raw.conn = await this.net.dial(this.url, () => raw);
    if (hello) raw.conn.send([hello]);
    await settle();
    return raw;
  }

  /** A raw server: `chat1` at a URL of its own. */
  async rawServer(): Promise<{ raws: Raw[]; url: string }> {
    const raws: Raw[] = [];
    const { url } = await this.net.listenTcp({ hostname: "127.0.0.1", port: 0 }, (conn) => {
      const raw = new Raw();
      raw.conn = conn;
      raws.push(raw);
      return raw;
    });
    return { raws, url };
  }

  /** A gateway's hello with the right secret. */
  hello(gateId = "gw1", incarnation = "7", timeMs = this.clock.now()): Uint8Array {
    return helloBytes(gateId, incarnation, timeMs, sign);
  }

  /** The end of these and of the server; time passes meanwhile. */
  async end(...clients: readonly LinkClient[]): Promise<void> {
    let ended = false;
    const all = Promise.all([...clients.map((one) => one.stop()), this.server?.stop()]).then(() => ended = true);
    while (!ended) await this.pass(500, 500);
    await all;
  }

  /** Time passes in steps in which both sides come to do what they do. */
  async pass(ms: number, stepMs = 100): Promise<void> {
    for (let at = 0; at < ms; at += stepMs) {
      this.clock.advance(stepMs);
      this.serverClock.advance(stepMs);
      await settle(3);
    }
  }
}

/** One end of a connection without manners. */
export class Raw implements ConnEvents {
  conn!: Conn;
  readonly packets: Uint8Array[] = [];
  closedWith: string | undefined;
  pings = 0;
  packet(bytes: Uint8Array): void {
    this.packets.push(bytes.slice());
  }
  alive(): void {}
  pinged(): void {
    this.pings++;
  }
  drained(): void {}
  closed(why: { readonly reason: string }): void {
    this.closedWith = why.reason;
  }
}

/** A talk of ann's. */
export function talk(more: Partial<Upward> = {}): Upward {
  return {
    header: makeHeader("chat.user.talk", { channelId: "gw1_ann_1", sequence: 3, dest: "bob" }),
    body: new TextEncoder().encode("hello"),
    app: "kim",
    account: "ann",
    device: "phone",
    caps: true,
    content: "protobuf",
    gateId: "gw1",
    key: { scope: "gw1_ann_1", n: 7, low: 5 },
    startBy: 4_000,
    again: false,
    ...more,
  };
}

/** A push for two channels. */
export function push(more: Partial<Downward> = {}): Downward {
  return {
    header: makeHeader("chat.user.talk", { channelId: "gw2_bob_1", sequence: 9, flag: FLAG.PUSH, dest: "ann" }),
    body: new TextEncoder().encode("hi"),
    gateId: "gw1",
    channels: ["gw1_ann_1", "gw1_ann_2"],
    positions: [43, 0],
    own: false,
    answers: 0,
    ...more,
  };
}
