import { ImError } from "../../base/errors.ts";
import { type Meta, META_TYPE, NO_META } from "../../protocol/header.ts";
import { LIMITS } from "../../protocol/limits.ts";
import { META, textMeta } from "../../protocol/meta.ts";
import { decodePacket, encodeLogic } from "../../protocol/packet.ts";
import type { InRoom, RoomPush } from "../../protocol/route.ts";
import { textSize } from "../../protocol/utf8.ts";
import type { Downward } from "../link.ts";
import { withoutAdditions } from "./kim_body.ts";
import { copyOf, numberOf } from "./up_codec.ts";

/** `dest.channels` of one packet. Source: proto/WIRE.md "Limits". */
const CHANNELS_BYTES = 64 << 10;
/** `im.rooms` of one packet: the rest of the header has room beside it. */
const ROOMS_BYTES = 128 << 10;
const COMMA = ",".charCodeAt(0) - 0x30;
const OWN = textMeta(META.OWN, "1");
const NO_CHANNELS: readonly string[] = [];
const NO_POSITIONS: readonly number[] = [];

/**
 * A packet for a gateway as bytes. Its channels must fit: `splitChannels`. To KIM's gateways without what is ours, in
 * the body too. Source: proto/WIRE.md "Down".
 */
export function encodeDown(packet: Downward, kim: boolean): Uint8Array {
  // hot: per packet
  const { header: from, channels, positions } = packet;
  const meta: Meta[] = [];
  if (channels.length > 0) {
    meta.push(textMeta(META.DEST_CHANNELS, channels.length === 1 ? channels[0]! : channels.join()));
  }
  meta.push(textMeta(META.DEST_SERVER, packet.gateId));
  if (!kim) {
    if (positions.some(isSet)) meta.push(textMeta(META.POS, positions.join()));
    if (packet.answers !== 0) meta.push(textMeta(META.ANSWERS, String(packet.answers)));
    if (packet.own) meta.push(OWN);
    if (packet.room) meta.push(textMeta(META.ROOM, `${packet.room.app} ${packet.room.seq}`));
    if (packet.rooms && packet.rooms.length > 0) meta.push(textMeta(META.ROOMS, roomsText(packet.rooms)));
    if (packet.generation !== undefined) meta.push(textMeta(META.GENERATION, String(packet.generation)));
    if (packet.receipt !== undefined) meta.push(textMeta(META.RECEIPT, String(packet.receipt)));
  }
  const { command, channelId, sequence, flag, status, dest } = from;
  const body = kim ? withoutAdditions(packet.body) : packet.body;
  return encodeLogic({ command, channelId, sequence, flag, status, dest, meta }, body);
}

/**
 * The packet that a frame brings to the gateway `gateId`. The body is copied. The first text of a key counts.
 * Undefined: it is for another gateway. @throws {ImError} the packet's codes; HEADER_INVALID: a meta that says nothing.
 */
export function decodeDown(bytes: Uint8Array, gateId: string, kim: boolean): Downward | undefined {
  // hot: per packet
  const packet = decodePacket(bytes, LIMITS.link);
  if (packet.kind === "basic") throw new ImError("BAD_MAGIC", "Cannot read answer: a basic packet on a link");
  const { header } = packet;
  const metas = header.meta;
  let server: string | undefined;
  let list: string | undefined;
  let places: string | undefined;
  let own = false;
  let room: RoomPush | undefined;
  let rooms: readonly InRoom[] | undefined;
  let generation: bigint | undefined;
  let answers = 0;
  let receipt: number | undefined;
  for (let i = metas.length - 1; i >= 0; i--) { // backwards: the first counts
    const { key, value, type } = metas[i]!;
    if (type !== META_TYPE.STRING) continue;
    if (key === META.DEST_SERVER) server = value;
    else if (key === META.DEST_CHANNELS) list = value;
    else if (kim) continue;
    else if (key === META.POS) places = value;
    else if (key === META.ANSWERS) answers = numberOf(value, key);
    else if (key === META.OWN) own = true;
    else if (key === META.ROOM) room = roomOf(value);
    else if (key === META.ROOMS) rooms = roomsOf(value);
    else if (key === META.GENERATION) generation = generationOf(value);
    else if (key === META.RECEIPT) receipt = numberOf(value, key);
  }
  if (server !== gateId) return undefined;
  const channels = list === undefined || list === "" ? NO_CHANNELS : list.includes(",") ? list.split(",") : [list];
  const positions = places === undefined ? NO_POSITIONS : positionsOf(places, channels.length);
  header.meta = NO_META;
  const more = { own, room, rooms, generation, answers, receipt };
  return { header, body: copyOf(packet.body), gateId, channels, positions, ...more };
}

/** The packet itself, or several of which each has a part of the channels that fits in one header. */
export function splitChannels(packet: Downward): readonly Downward[] {
  const { channels, positions } = packet;
  if (channels.length < 2) return [packet];
  let units = channels.length;
  for (const id of channels) units += id.length;
  if (3 * units <= CHANNELS_BYTES) return [packet];
  const parts: Downward[] = [];
  for (let from = 0; from < channels.length;) {
    let to = from;
    for (let bytes = -1; to < channels.length; to++) {
      bytes += 1 + textSize(channels[to]!);
      if (bytes > CHANNELS_BYTES && to > from) break;
    }
    parts.push({ ...packet, channels: channels.slice(from, to), positions: positions.slice(from, to) });
    from = to;
  }
  return parts;
}

function isSet(position: number): boolean {
  return position !== 0;
}

/** As many as fit: a channel in thousands of large groups is told of the others by its next login. */
function roomsText(rooms: readonly InRoom[]): string {
  let text = "";
  for (const { group, seq } of rooms) {
    const next = `${text === "" ? "" : ","}${group} ${seq}`;
    if (text.length + next.length > ROOMS_BYTES) break;
    text += next;
  }
  return text;
}

function roomsOf(value: string): InRoom[] {
  return value === "" ? [] : value.split(",").map((one) => {
    const space = one.indexOf(" ");
    if (space < 1) fail(`${META.ROOMS} is not "group seq"`);
    return { group: one.slice(0, space), seq: numberOf(one, META.ROOMS, space + 1) };
  });
}

function roomOf(value: string): RoomPush {
  const space = value.indexOf(" ");
  if (space < 1) fail(`${META.ROOM} is not "app seq"`);
  return { app: value.slice(0, space), seq: numberOf(value, META.ROOM, space + 1) };
}

function generationOf(value: string): bigint {
  return /^\d{1,19}$/.test(value) ? BigInt(value) : fail(`${META.GENERATION} is no number`);
}

/** Numbers of at most 32 bits, joined by commas. One look at each digit: there may be thousands of them. */
function positionsOf(value: string, channels: number): readonly number[] {
  const positions: number[] = [];
  let number = NaN;
  for (let i = 0; i <= value.length; i++) {
    const digit = value.charCodeAt(i) - 0x30;
    if (digit >= 0 && digit <= 9) number = number >= 0 ? number * 10 + digit : digit;
    else if (number <= 0xffff_ffff && (i === value.length || digit === COMMA)) {
      positions.push(number);
      number = NaN;
    } else fail(`${META.POS} is no list of numbers of 32 bits`);
  }
  if (positions.length !== channels) fail(`${META.POS} has ${positions.length} positions for ${channels} channels`);
  return positions;
}

function fail(why: string): never {
  throw new ImError("HEADER_INVALID", `Cannot read packet of a chat server: ${why}`);
}
