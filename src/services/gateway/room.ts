import type { Uplink } from "../../container/link.ts";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import type { Content } from "../../protocol/body_codec.ts";
import { encodeAs } from "../../protocol/content.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, type Header, makeHeader } from "../../protocol/header.ts";
import type { ClientChannel } from "./client_channel.ts";
import { type Sequenced, Sequencer, type SequencerPort } from "./sequencer.ts";
import { SharedPush } from "./shared_push.ts";

/** Messages of a room kept for old clients whose rows are being made. */
export const RECENT = { messages: 64, bytes: 64 << 10 } as const;

/** Messages that are not an account's: above `after`, up to `upTo`; Infinity while it has not come back. */
export interface Gap {
  readonly after: number;
  upTo: number;
}

/** A large group as far as this gateway has channels in it. */
export class Room {
  readonly app: string;
  readonly group: string;
  /** Our clients' channels that are written to, and above which seq. */
  readonly ours: Map<ClientChannel, number> = new Map();
  /** Our clients' channels that lack messages above this seq which have passed: written to once they were caught up. */
  readonly late: Map<ClientChannel, number> = new Map();
  /** Where the account of a channel of `ours` or `late` is out, though the room has not got there; the last may be open. */
  readonly gaps: Map<ClientChannel, Gap[]> = new Map();
  /** Seqs that replies stood for before the room, or a late channel, got there: their channel is not sent them. */
  readonly answered: Map<ClientChannel, Set<number>> = new Map();
  readonly old: Set<ClientChannel> = new Set();
  readonly sequencer: Sequencer<Room>;
  /** A page for `late` was asked for. */
  catchingUp = false;
  /** The newest messages by seq, for old clients: their rows are asked for. */
  readonly recent: Map<number, RoomMessage> = new Map();
  #recentBytes = 0;
  makingRows = false;
  /** Rows are to be made once more: a message or a client came meanwhile, or they could not be had. */
  rowsDue = false;
  /** Monotonic ms when rows were last asked for. */
  rowsAskedMs = -Infinity;

  constructor(app: string, group: string, port: SequencerPort<Room>) {
    this.app = app;
    this.group = group;
    this.sequencer = new Sequencer<Room>(this, port);
  }

  /** Any link will do: the store is behind all of them. */
  get link(): Uplink | undefined {
    for (const channels of [this.ours.keys(), this.old, this.late.keys()]) {
      for (const { link } of channels) if (link?.state === "open") return link;
    }
    return undefined;
  }

  get empty(): boolean {
    return this.ours.size + this.late.size + this.old.size === 0;
  }

  /** The channel's account left: it is sent what is up to this seq, then it goes. Infinity: it did not leave. */
  leftAt(channel: ClientChannel): number {
    const last = this.gaps.get(channel)?.at(-1);
    return last?.upTo === Infinity ? last.after : Infinity;
  }

  /** Was the account out when this message was stored? */
  isOut(channel: ClientChannel, seq: number): boolean {
    const gaps = this.gaps.size === 0 ? undefined : this.gaps.get(channel);
    if (!gaps) return false;
    while (gaps.length > 0 && gaps[0]!.upTo < seq) gaps.shift();
    if (gaps.length === 0) this.gaps.delete(channel);
    return gaps.length > 0 && seq > gaps[0]!.after;
  }

  /** Did a reply stand for this message? Tells it once. */
  isAnswered(channel: ClientChannel, seq: number): boolean {
    if (this.answered.size === 0) return false;
    const seqs = this.answered.get(channel);
    if (!seqs?.delete(seq)) return false;
    if (seqs.size === 0) this.answered.delete(channel);
    return true;
  }

  /** Kept until its rows are made, unless too many or too large ones come first: then old clients' fills bring it. */
  remember(message: RoomMessage): void {
    this.recent.set(message.seq, message);
    this.#recentBytes += message.bytes;
    for (const [seq, { bytes }] of this.recent) {
      if (this.recent.size <= RECENT.messages && this.#recentBytes <= RECENT.bytes) break;
      this.recent.delete(seq);
      this.#recentBytes -= bytes;
    }
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
