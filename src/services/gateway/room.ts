import type { Uplink } from "../../container/link.ts";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import type { Content } from "../../protocol/body_codec.ts";
import { encodeAs } from "../../protocol/content.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, type Header, makeHeader } from "../../protocol/header.ts";
import type { ClientChannel } from "./client_channel.ts";
import { type Sequenced, Sequencer, type SequencerPort } from "./sequencer.ts";
import { SharedPush } from "./shared_push.ts";

/** A large group as far as this gateway has channels in it. */
export class Room {
  readonly app: string;
  readonly group: string;
  /** Our clients' channels, and above which seq each is sent messages. */
  readonly ours: Map<ClientChannel, number> = new Map();
  readonly old: Set<ClientChannel> = new Set();
  readonly sequencer: Sequencer<Room>;
  /** Messages that old clients wait for, and whether the rows of those before them are being made. */
  oldWaiting: RoomMessage[] = [];
  makingRows = false;
  /** Rows are to be made once more: they could not be had, or a client came meanwhile. */
  rowsDue = false;

  constructor(app: string, group: string, port: SequencerPort<Room>) {
    this.app = app;
    this.group = group;
    this.sequencer = new Sequencer<Room>(this, port);
  }

  /** Any link will do: the store is behind all of them. */
  get link(): Uplink | undefined {
    for (const channel of this.ours.keys()) if (channel.link?.state === "open") return channel.link;
    for (const channel of this.old) if (channel.link?.state === "open") return channel.link;
    return undefined;
  }
}

/** One message for a room: encoded once for each content that somebody in it chose. */
export class RoomMessage implements Sequenced {
  readonly bytes: number;
  readonly seq: number;
  readonly sender: string;
  /** The channel that sent it: its reply stands for it. "" when it came from the store. */
  readonly from: string;
  readonly #header: Header;
  readonly #body: Uint8Array;
  readonly #pushes: Partial<Record<Content, SharedPush>> = {};

  constructor(header: Header, body: Uint8Array, seq: number, sender: string, from: string) {
    this.#header = header;
    this.#body = body;
    this.bytes = body.length + 128;
    this.seq = seq;
    this.sender = sender;
    this.from = from;
  }

  push(content: Content): SharedPush {
    return this.#pushes[content] ??= new SharedPush(
      this.#header,
      content === "protobuf" ? this.#body : encodeAs(content, pkt.MessagePush, decodeBody(pkt.MessagePush, this.#body)),
    );
  }
}

/** A stored message of a room as the push it would have been. */
export function storedRoomMessage({ dest, group: _group, userSeq: _pos, ...push }: pkt.MessagePush): RoomMessage {
  const body = encodeBody(pkt.MessagePush, push);
  return new RoomMessage(makeHeader("chat.group.talk", { flag: FLAG.PUSH, dest }), body, push.seq, push.sender, "");
}
