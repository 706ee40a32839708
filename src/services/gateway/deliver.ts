import type { Downward, Uplink } from "../../container/link.ts";
import { decodeBody } from "../../protocol/bodies.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import { ROOM_CHANGE } from "../../protocol/commands.ts";
import { decodeAs, encodeAs, saysNothing } from "../../protocol/content.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG } from "../../protocol/header.ts";
import { encodeLogic } from "../../protocol/packet.ts";
import { STATUS, statusName } from "../../protocol/status.ts";
import type { ClientChannel } from "./client_channel.ts";
import type { GatewayCore } from "./core.ts";
import { isOldIndex, readAgain, startSequencer } from "./receive.ts";
import { SEQUENCER } from "./sequencer.ts";
import { SharedPush } from "./shared_push.ts";

/** A packet from a logic server for channels of this gateway. */
export function deliver(gateway: GatewayCore, packet: Downward, from: Uplink): void {
  // hot: per packet
  if (packet.header.flag === FLAG.RESPONSE) {
    const id = packet.channels[0]!;
    const channel = gateway.channel(id);
    const { command, status } = packet.header;
    if (channel) reply(gateway, channel, packet, from);
    else if (command === "login.signin") gateway.signOut(id);
    else if (command === "login.signout") gateway.signedOut(id, status === STATUS.SUCCESS.wire);
    return;
  }
  const receipt = packet.receipt === undefined ? undefined : { id: packet.receipt, taken: [], gone: [] };
  if (packet.header.command === ROOM_CHANGE) changeRoom(gateway, packet, receipt, from);
  else pushAll(gateway, packet, receipt, from);
  if (receipt) gateway.receipt(from, receipt);
}

function pushAll(gateway: GatewayCore, packet: Downward, receipt: pkt.Receipt | undefined, from: Uplink): void {
  // hot: per packet
  const push = new SharedPush(packet.header, packet.body);
  const now = gateway.clock.mono();
  gateway.count.pushes.inc(packet.channels.length);
  packet.channels.forEach((id, at) => {
    const channel = gateway.channel(id);
    if (!channel) return gone(gateway, id, receipt, from);
    receipt?.taken.push(id);
    const pos = packet.positions[at] ?? 0;
    if (packet.header.command === "login.signin") kick(gateway, channel, push.encode(false, 0));
    else if (packet.own && !channel.caps) channel.sequencer.answered(pos, now);
    else if (channel.state === "login" && pos === 0) beforeAnswer(channel, push);
    else if (channel.state !== "kicked") channel.sequencer.offer(pos, push, now);
  });
}

/** Clients take the first packet for the answer to their login. Of what has no position more than that is dropped. */
function beforeAnswer(channel: ClientChannel, push: SharedPush): void {
  const early = channel.early ??= [];
  if (early.length < SEQUENCER.holdPackets) early.push(push);
}

/** Channels of this gateway enter a large group's room, or leave it. */
function changeRoom(gateway: GatewayCore, packet: Downward, receipt: pkt.Receipt | undefined, from: Uplink): void {
  const change = decodeBody(pkt.RoomChange, packet.body);
  for (const id of packet.channels) {
    const channel = gateway.channel(id);
    if (!channel) {
      gone(gateway, id, receipt, from);
      continue;
    }
    receipt?.taken.push(id);
    gateway.rooms.change(channel, change);
    gateway.roomCheck.changed(channel);
  }
}

/**
 * Its location outlived the channel: cleaned where it is stored, so that nobody pushes to it again. Who asked for a
 * receipt does that itself. A KIM server is told nothing: it would delete where the account is now.
 */
function gone(gateway: GatewayCore, id: string, receipt: pkt.Receipt | undefined, from: Uplink): void {
  gateway.count.pushedToGone.inc();
  if (receipt) receipt.gone.push(id);
  else if (!from.kim) gateway.signOut(id);
}

function reply(gateway: GatewayCore, channel: ClientChannel, packet: Downward, from: Uplink): void {
  const { header, body } = packet;
  if (channel.state === "login") return loginAnswered(gateway, channel, packet);
  const { unanswered } = channel;
  const n = packet.answers || unanswered.find(header.command, header.sequence);
  // Answered before: it was forwarded twice. What went to a KIM server is not kept.
  if (!unanswered.answered(n) && !from.kim) return;
  readAgain(gateway, channel);
  gateway.forwarding.answered(channel);
  gateway.count.reply(header.status);
  const pos = packet.positions[0] ?? 0;
  const ok = header.status === STATUS.SUCCESS.wire;
  if (ok && isOldIndex(channel, header) && channel.sequencer.takeCutShort()) {
    return channel.agent.reply(encodeLogic(header, encodeAs(channel.content, pkt.MessageIndexResp, {}))); // too late
  }
  channel.agent.reply(encodeLogic(header, body));
  if (header.command === "chat.user.talk" || header.command === "chat.group.talk") {
    if (ok) channel.sequencer.answered(pos, gateway.clock.mono());
    for (const room of packet.rooms ?? []) gateway.rooms.answered(channel, room);
  } else if (isOldIndex(channel, header)) {
    if (ok) indexed(gateway, channel, pos, saysNothing(channel.content, body));
    else if (statusName(header.status) === "INVALID_BODY") channel.sequencer.endSync(); // it asked for nonsense
    else channel.sequencer.indexFailed();
  }
}

/** After a page the next request may take 3 s; the empty page ends the client's paging. */
function indexed(gateway: GatewayCore, channel: ClientChannel, pos: number, empty: boolean): void {
  channel.sequencer.page(pos);
  if (empty) channel.sequencer.endSync();
  else if (channel.sequencer.state === "syncing") channel.sequencer.sync(gateway.clock.mono(), SEQUENCER.indexQuietMs);
}

function loginAnswered(gateway: GatewayCore, channel: ClientChannel, packet: Downward): void {
  const { header, body } = packet;
  if (header.command !== "login.signin" || channel.loginFailed) return;
  gateway.count.reply(header.status);
  channel.agent.reply(encodeLogic(header, body));
  channel.endsMs = Infinity;
  channel.login = undefined;
  if (header.status !== STATUS.SUCCESS.wire) {
    gateway.count.login("refused by logic");
    return channel.agent.close(CLOSE.LOGIN_FAILED);
  }
  gateway.count.login("success");
  channel.state = "open";
  channel.generation = packet.generation ?? 0n;
  startSequencer(gateway, channel, packet.positions[0] ?? 0, decodeAs(channel.content, pkt.LoginResp, body).head);
  for (const push of channel.early ?? []) channel.sequencer.offer(0, push, gateway.clock.mono());
  channel.early = undefined;
  if (gateway.rooms.opened(channel, packet.rooms ?? [])) gateway.roomCheck.add([channel]);
  // Kicked meanwhile: what came early is answered as after a kick, not forwarded.
  if (channel.kick) kick(gateway, channel, channel.kick);
  gateway.opened(channel);
}

/**
 * The account logged in elsewhere: the push goes out, nothing is forwarded any more, requests are answered 105, and
 * after a grace (clients close by themselves) the channel is closed. Before the login's answer it waits for that.
 */
function kick(gateway: GatewayCore, channel: ClientChannel, bytes: Uint8Array): void {
  if (channel.state === "login") {
    channel.kick = bytes;
    return;
  }
  if (channel.state !== "open") return;
  channel.state = "kicked";
  gateway.rooms.forget(channel);
  channel.agent.push(bytes);
  gateway.endLater(channel, gateway.config.kickGraceMs);
}
