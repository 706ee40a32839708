import { createHmac } from "node:crypto";
import { FakeClock } from "../../base/fake_clock.ts";
import { silent } from "../../base/logger.ts";
import { Metrics } from "../../base/metrics.ts";
import type { Downlink, Downward, Upward } from "../../container/link.ts";
import { MemoryLink } from "../../container/memory_link.ts";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import { makeToken } from "../../protocol/claims.ts";
import type { CloseReason } from "../../protocol/close_reason.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, type Header, makeHeader } from "../../protocol/header.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { decodePacket, encodeLogic, type LogicPacket, NO_BODY } from "../../protocol/packet.ts";
import type { ChannelAgent, ClientChannel } from "./client_channel.ts";
import { GATEWAY_DEFAULTS, type GatewayConfig } from "./config.ts";
import { Gateway, type GatewayDeps } from "./gateway.ts";

const hmac = (data: Uint8Array) =>
  new Uint8Array(createHmac("sha256", "a secret that is long enough").update(data).digest());

/** A connection whose traffic is kept. */
export class Wire implements ChannelAgent {
  queuedPushBytes = 0;
  readonly out: LogicPacket[] = [];
  readonly raw: Uint8Array[] = [];
  closed: CloseReason | undefined;
  paused = false;
  push(bytes: Uint8Array): void {
    this.reply(bytes);
  }
  reply(bytes: Uint8Array): void {
    this.raw.push(bytes);
    const packet = decodePacket(bytes, LIMITS.link);
    if (packet.kind === "logic") this.out.push(packet);
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  close(why: CloseReason): void {
    this.closed ??= why;
  }
  get last(): Header {
    return this.out.at(-1)!.header;
  }
}

/** A gateway with scripted logic servers. */
export class Bench {
  readonly clock = new FakeClock();
  readonly metrics = new Metrics();
  readonly gateway: Gateway;
  readonly links = new Map<string, { link: MemoryLink; up: Upward[]; down: Downlink }>();

  constructor(config: Partial<GatewayConfig> = {}, logics = ["chat1"], more: Partial<GatewayDeps> = {}) {
    const all = { ...GATEWAY_DEFAULTS, messageRate: 0, serviceId: "gw", ...config };
    this.gateway = new Gateway(all, { clock: this.clock, log: silent, metrics: this.metrics, hmac, ...more });
    for (const id of logics) this.addLogic(id);
  }

  addLogic(id: string) {
    const up: Upward[] = [];
    const link = new MemoryLink({ gateId: "gw", logicId: id }, this.gateway, {
      up: (packet) => void up.push(packet),
      closed() {},
    });
    const one = { link, up, down: link.downlink };
    this.links.set(id, one);
    this.gateway.attach(link.uplink);
    return one;
  }

  get logic() {
    return this.links.get("chat1")!;
  }

  token(account = "ann", exp = this.clock.now() / 1000 + 3600, app = "kim"): string {
    return makeToken({ acc: account, app, exp }, hmac);
  }

  first(wire: Wire, token = this.token(), header: Partial<Header> = {}) {
    const packet = encodeLogic(
      { ...makeHeader("login.signin", { sequence: 7 }), ...header },
      encodeBody(pkt.LoginReq, { token }),
    );
    return this.gateway.first(wire, "127.0.0.1", packet);
  }

  /** A channel whose login was answered at inbox position `pos`. */
  login(wire: Wire, pos = 0, header: Partial<Header> = {}, account = "ann"): ClientChannel {
    const channel = this.first(wire, this.token(account), header) as ClientChannel;
    this.answer(pos);
    return channel;
  }

  /** The newest request is answered. */
  answer(pos = 0, status = 0, body: Uint8Array = NO_BODY, from = this.logic, more: Partial<Downward> = {}): void {
    this.reply(from.up.at(-1)!, pos, status, body, from, more);
  }

  reply(
    request: Upward,
    pos = 0,
    status = 0,
    body: Uint8Array = NO_BODY,
    from = this.logic,
    more: Partial<Downward> = {},
  ): void {
    from.down.send({
      header: makeHeader(request.header.command, { ...request.header, flag: FLAG.RESPONSE, status }),
      body,
      gateId: "gw",
      channels: request.header.channelId ? [request.header.channelId] : [],
      positions: [pos],
      own: false,
      answers: request.key?.n ?? 0,
      ...more,
    });
  }

  push(channel: ClientChannel, pos: number, more: Partial<Downward> = {}): void {
    this.logic.down.send({
      header: makeHeader("chat.user.talk", { flag: FLAG.PUSH, dest: "ann" }),
      body: encodeBody(pkt.MessagePush, { messageId: BigInt(pos), sender: "bob" }),
      gateId: "gw",
      channels: [channel.id],
      positions: [pos],
      own: false,
      answers: 0,
      ...more,
    });
  }

  send(channel: ClientChannel, command: string, more: Partial<Header> = {}, body: Uint8Array = NO_BODY): void {
    this.gateway.receive(channel, encodeLogic(makeHeader(command, { sequence: 3, ...more }), body));
  }
}

export const refused = (outcome: ReturnType<Bench["first"]>) => {
  if (!("at" in outcome)) throw new Error("was let in");
  const packet = outcome.packet ? decodePacket(outcome.packet, LIMITS.link) as LogicPacket : undefined;
  return { why: outcome.why, header: packet?.header };
};
export const ids = (wire: Wire) =>
  wire.out.filter((one) => one.header.flag === FLAG.PUSH)
    .map((one) => Number(decodeBody(pkt.MessagePush, one.body).messageId));
