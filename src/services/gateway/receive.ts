import { ImError } from "../../base/errors.ts";
import type { Upward } from "../../container/link.ts";
import { serviceOf } from "../../container/selector.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import { encodeAs } from "../../protocol/content.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, type Header, NO_META } from "../../protocol/header.ts";
import { LIMITS } from "../../protocol/limits.ts";
import {
  BASIC,
  type BasicPacket,
  decodePacket,
  encodeBasic,
  type LogicPacket,
  NO_BODY,
  PONG,
} from "../../protocol/packet.ts";
import { STATUS, type StatusName } from "../../protocol/status.ts";
import type { ClientChannel } from "./client_channel.ts";
import { REFUSALS, UNANSWERED_BYTES } from "./config.ts";
import type { GatewayCore } from "./core.ts";
import { SEQUENCER } from "./sequencer.ts";
import { answer } from "./login.ts";

/** After a refusal for being too quick nothing is read for so long. */
const REFUSED_WAIT_MS = 1_000;

/** A client that never pings has its head asked for when it says something, so often at most. */
const LOOK_MS = 60_000;

/** One data frame of a client that has logged in. The bytes are only valid during the call. */
export function receive(gateway: GatewayCore, channel: ClientChannel, bytes: Uint8Array): void {
  // hot: per packet
  let packet: LogicPacket | BasicPacket;
  try {
    packet = decodePacket(bytes, LIMITS.client);
  } catch (thrown) {
    gateway.count.badPackets.inc();
    const tooLarge = ImError.from(thrown).code === "HEADER_TOO_LARGE";
    return channel.agent.close(tooLarge ? CLOSE.TOO_LARGE : CLOSE.BAD_DATA);
  }
  if (packet.kind === "basic") return basic(gateway, channel, packet.code);
  const { header } = packet;
  gateway.count.packet(header.command);
  if (channel.state !== "open") {
    return refuse(gateway, channel, header, "UNAUTHORIZED", "Cannot do this: logged in elsewhere");
  }
  const service = serviceOf(header.command);
  if (service === undefined) return refuse(gateway, channel, header, "NOT_IMPLEMENTED", "NotImplemented");
  if (header.command.startsWith("login.")) return login(gateway, channel, header);
  const slower = gateway.rate.off ? 0 : gateway.rate.take(`${channel.app}|${channel.account}`);
  if (slower === Infinity) {
    gateway.reading.later(channel, REFUSED_WAIT_MS);
    return refuse(gateway, channel, header, "BUSY", "Cannot take the request: too many, wait");
  }
  if (slower > 0) gateway.reading.later(channel, slower);
  forward(gateway, channel, header, packet.body.slice());
}

function forward(gateway: GatewayCore, channel: ClientChannel, header: Header, body: Uint8Array): void {
  if (isOldIndex(channel, header)) {
    if (channel.sequencer.takeCutShort()) {
      gateway.count.reply(STATUS.SUCCESS.wire);
      const empty = encodeAs(channel.content, pkt.MessageIndexResp, {});
      return channel.agent.reply(answer(header, channel.id, STATUS.SUCCESS.wire, empty));
    }
    channel.sequencer.index(gateway.clock.mono());
  }
  // Whatever the client wrote about itself or the way is overwritten (WIRE.md "Stamping").
  header.channelId = channel.id;
  header.flag = FLAG.REQUEST;
  header.status = 0;
  header.meta = NO_META;
  const { unanswered } = channel;
  const now = gateway.clock.mono();
  if (now >= channel.lookedMs + LOOK_MS) gateway.pinged(channel);
  const request: Upward = {
    header,
    body,
    app: channel.app,
    account: channel.account,
    device: channel.device,
    caps: channel.caps,
    content: channel.content,
    gateId: gateway.id,
    key: { scope: channel.id, n: unanswered.next, low: unanswered.low },
    startBy: now + gateway.config.startWithinMs,
    again: false,
  };
  if (!gateway.forwarding.forward(channel, request)) {
    return refuse(gateway, channel, header, "BUSY", "Cannot take the request: the server is busy, wait");
  }
  if (unanswered.bytes > UNANSWERED_BYTES && !channel.paused) {
    channel.paused = true;
    channel.agent.pause();
  }
}

/** No server could begin with the request in time. It waited here, so the client is not asking too fast. */
export function refuseLate(gateway: GatewayCore, channel: ClientChannel, { header }: Upward): void {
  readAgain(gateway, channel);
  gateway.count.reply(STATUS.BUSY.wire);
  const message = "Cannot take the request: no server is ready, wait";
  const body = encodeAs(channel.content, pkt.ErrorResp, { message });
  channel.agent.reply(answer(header, channel.id, STATUS.BUSY.wire, body));
  if (isOldIndex(channel, header)) channel.sequencer.indexFailed();
}

/** A request of the channel is answered: it is read on when that made room. */
export function readAgain(gateway: GatewayCore, channel: ClientChannel): void {
  if (!channel.paused || channel.unanswered.bytes >= UNANSWERED_BYTES / 2) return;
  channel.paused = false;
  gateway.reading.again(channel);
}

function basic(gateway: GatewayCore, channel: ClientChannel, code: number): void {
  if (code !== BASIC.PING) return; // the reference ignores every other code
  gateway.pinged(channel);
  channel.agent.reply(channel.caps ? pongWithHead(channel.sequencer.known) : PONG);
}

/** Our clients' pongs carry the inbox head as 8 bytes, so that they notice a tail they lack. */
function pongWithHead(head: number): Uint8Array {
  const body = new Uint8Array(8);
  new DataView(body.buffer).setBigUint64(0, BigInt(head));
  return encodeBasic(BASIC.PONG, body);
}

function login(gateway: GatewayCore, channel: ClientChannel, header: Header): void {
  if (header.command !== "login.signout") {
    const known = header.command === "login.signin";
    return refuse(
      gateway,
      channel,
      header,
      known ? "INVALID_COMMAND" : "NOT_IMPLEMENTED",
      known ? "Cannot log in twice" : "NotImplemented",
    );
  }
  gateway.count.reply(STATUS.SUCCESS.wire);
  channel.agent.reply(answer(header, channel.id, STATUS.SUCCESS.wire, NO_BODY));
  channel.agent.close(CLOSE.SIGNED_OUT);
}

function refuse(
  gateway: GatewayCore,
  channel: ClientChannel,
  header: Header,
  status: StatusName,
  message: string,
): void {
  gateway.count.reply(STATUS[status].wire);
  const body = encodeAs(channel.content, pkt.ErrorResp, { message });
  channel.agent.reply(answer(header, channel.id, STATUS[status].wire, body));
  const now = gateway.clock.mono();
  if (now - channel.refusalsSinceMs > REFUSALS.windowMs) {
    channel.refusalsSinceMs = now;
    channel.refusals = 0;
  }
  if (++channel.refusals >= REFUSALS.most) channel.agent.close(CLOSE.RATE);
  else if (status === "BUSY" && isOldIndex(channel, header)) channel.sequencer.indexFailed();
}

/** The index of a client that knows no other way to what it missed. */
export function isOldIndex(channel: ClientChannel, header: Header): boolean {
  return header.command === "chat.offline.index" && !channel.caps && !channel.kim;
}

/** A login was answered: an old client is left in peace until it has asked for its index, or for 300 ms. */
export function startSequencer(gateway: GatewayCore, channel: ClientChannel, pos: number, head: number): void {
  const now = gateway.clock.mono();
  channel.lookedMs = now;
  channel.sequencer.open(pos, head);
  if (!channel.caps) channel.sequencer.sync(now, SEQUENCER.loginQuietMs);
}
