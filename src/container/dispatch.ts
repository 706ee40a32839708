import { type BodyType, encodeBody } from "../protocol/bodies.ts";
import type { Content } from "../protocol/body_codec.ts";
import { encodeAs } from "../protocol/content.ts";
import { FLAG, type Header, makeHeader } from "../protocol/header.ts";
import { MessagePush } from "../protocol/gen/pkt_messages.ts";
import { NO_BODY } from "../protocol/packet.ts";
import type { RoomPush, Target } from "../protocol/route.ts";
import type { Downlink } from "./link.ts";

/** Says which packets are to be confirmed by their gateway, and under which number; undefined: this one is not. */
export interface ReceiptNumbers {
  next(gateId: string, command: string): number | undefined;
}

/**
 * Fans one push out: a packet per gateway and content with the list of its channels and, beside it, their positions.
 * The message is encoded once per content. Every gateway is tried, whatever happened at the others. Gives how many
 * targets had no link; those clients fetch later.
 */
export function dispatch<T>(
  links: ReadonlyMap<string, Downlink>,
  request: Header,
  command: string,
  targets: readonly Target[],
  type: BodyType<T>,
  message: Partial<T>,
  receipts?: ReceiptNumbers,
): number {
  const bodies: Partial<Record<Content, Uint8Array>> = {};
  let missed = 0;
  for (const group of groups(targets)) {
    const { gateId, content, own } = group[0]!;
    const link = links.get(gateId);
    // The header is the request's; status and metas of a client must never reach another (WIRE.md "Pushes").
    const header = makeHeader(command, {
      channelId: request.channelId,
      sequence: request.sequence,
      flag: FLAG.PUSH,
      dest: request.dest,
    });
    const sent = link?.send({
      header,
      body: bodies[content] ??= encodeAs(content, type, message),
      gateId,
      channels: group.map((one) => one.channelId),
      positions: group.map((one) => one.pos),
      own,
      answers: 0,
      receipt: receipts?.next(gateId, command),
    });
    if (!sent) missed += group.length;
  }
  return missed;
}

/**
 * Sends a large group's message to every gateway: each knows which of its clients are in the room, and how they want
 * bodies; between servers it is protobuf.
 */
export function dispatchRoom(
  links: ReadonlyMap<string, Downlink>,
  request: Header,
  room: RoomPush,
  message: Partial<MessagePush>,
): void {
  const body = encodeBody<MessagePush>(MessagePush, message);
  for (const link of links.values()) {
    const { command, channelId, sequence, dest } = request;
    const header = makeHeader(command, { channelId, sequence, flag: FLAG.PUSH, dest });
    // A gateway that misses it sees the hole with the next one, or asks for heads.
    link.send({ header, body, gateId: link.peerId, channels: [], positions: [], own: false, answers: 0, room });
  }
}

/**
 * Tells a gateway something that is all in the command (`im.drain`, `im.look`). KIM's know no such packets: they learn of
 * a stop from naming.
 */
export function tell(link: Downlink, command: string): void {
  if (link.kim) return;
  const header = makeHeader(command, { flag: FLAG.PUSH });
  link.send({ header, body: NO_BODY, gateId: link.peerId, channels: [], positions: [], own: false, answers: 0 });
}

/** Targets of one gateway, content and kind (own or not) together, in the order they first appear. */
function groups(targets: readonly Target[]): Target[][] {
  if (targets.length === 1) return [[targets[0]!]];
  const found = new Map<string, Target[]>();
  for (const target of targets) {
    const key = `${target.own ? "own " : ""}${target.content} ${target.gateId}`;
    const group = found.get(key);
    if (group) group.push(target);
    else found.set(key, [target]);
  }
  return [...found.values()];
}
