// A little over 300 lines: who is in which room, and what rooms ask for, in one class; old clients' rows are in room_rows.ts.
import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Downward, Uplink } from "../../container/link.ts";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import type { Content } from "../../protocol/body_codec.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import type { InRoom } from "../../protocol/route.ts";
import { type Asks, decoded } from "./asks.ts";
import type { ClientChannel } from "./client_channel.ts";
import { FILL_ROOM_BYTES, FILL_ROWS } from "./config.ts";
import { Room, RoomMessage, storedRoomMessage } from "./room.ts";
import { RoomChanges } from "./room_changes.ts";
import { RoomRows } from "./room_rows.ts";
import type { SequencerPort } from "./sequencer.ts";

/** Rooms named in one question for heads. */
const HEADS_AT_ONCE = 1_000;
/** Times that an account left and came back before its room got there. */
const GAPS = 16;
/** Replies of a channel that are remembered until the room gets there. */
const ANSWERED = 1_000;

/**
 * The large groups of a gateway's channels. A room is a cursor over its conversation, as a channel is over its inbox: the
 * same state machine fills its holes. What it lets pass goes to our clients as it is; old clients know positions only, so
 * their inbox rows are asked for first (`RoomRows`).
 *
 *   our channel:  late ──caught up──► ours ──left, or closed──► gone       late: fetched up to where the room is
 */
export class Rooms implements SequencerPort<Room> {
  readonly #asks: Asks;
  readonly #clock: Clock;
  readonly #rows: RoomRows;
  readonly #rooms = new Map<string, Room>();
  /** The rooms of each channel that is in one, and the seq of the last change: older ones came late. */
  readonly #of = new Map<ClientChannel, Map<Room, number>>();
  readonly #changes = new RoomChanges();
  /** Talks that were answered before their channel entered the room, by group. */
  readonly #answered = new Map<string, Map<ClientChannel, Set<number>>>();
  readonly #waiting = new Set<Room>();
  /** Rooms whose heads are asked for at the next `second`: new ones, and those with a channel that pinged. */
  readonly #pinged = new Set<Room>();
  /** Rooms with late channels. */
  readonly #late = new Set<Room>();

  constructor(asks: Asks, clock: Clock) {
    this.#asks = asks;
    this.#clock = clock;
    this.#rows = new RoomRows(asks, clock, (app, group) => this.#rooms.get(keyOf(app, group)));
  }

  get size(): number {
    return this.#rooms.size;
  }

  /**
   * The login was answered: the channel is in these rooms, but for what changed meanwhile. True: something did, and a room
   * that the answer does not name may have been left since.
   */
  opened(channel: ClientChannel, rooms: readonly InRoom[]): boolean {
    const early = this.#changes.takeEarly(channel);
    for (const room of rooms) this.#enter(channel, room);
    for (const change of early) this.change(channel, change);
    return early.length > 0;
  }

  /** The channel's account joined a large group, or left it. */
  change(channel: ClientChannel, change: pkt.RoomChange): void {
    const { groupId: group, joined, seq } = change;
    if (channel.state === "login") {
      if (!this.#changes.early(channel, change)) channel.agent.close(CLOSE.OVERLOAD);
      return;
    }
    if (channel.state !== "open") return;
    if (joined) this.#enter(channel, { group, seq });
    else this.#changes.left(channel, group, seq);
    const leftAt = this.#changes.leftAt(channel, group);
    if (!joined || leftAt > seq) this.#leave(channel, group, leftAt);
  }

  /** The large groups that the channel is in. */
  groupsOf(channel: ClientChannel): string[] {
    const rooms = [...this.#of.get(channel)?.keys() ?? []];
    return rooms.filter((room) => room.leftAt(channel) === Infinity).map(({ group }) => group);
  }

  /** The store says that the channel is in these large groups, each above that seq, and in no others. */
  correct(channel: ClientChannel, rooms: readonly pkt.Room[]): void {
    const before = new Set(this.groupsOf(channel));
    for (const { groupId, joinedSeq } of rooms) {
      if (!before.delete(groupId)) this.#enter(channel, { group: groupId, seq: joinedSeq });
    }
    for (const group of before) {
      const room = this.#rooms.get(keyOf(channel.app, group))!;
      this.#leave(channel, group, Math.max(room.sequencer.cursor, this.#of.get(channel)!.get(room)!));
    }
  }

  /** The channel is gone, or kicked. */
  forget(channel: ClientChannel): void {
    this.#changes.forget(channel);
    for (const group of this.#answered.keys()) this.#takeAnswered(channel, group);
    for (const room of this.#of.get(channel)?.keys() ?? []) this.#left(room, channel);
    this.#of.delete(channel);
  }

  /** A push that names a room. */
  offer(packet: Downward, app: string, seq: number): void {
    const room = this.#rooms.get(keyOf(app, packet.header.dest));
    if (!room) return; // nobody of it is here
    const { sender } = decodeBody(pkt.MessagePush, packet.body);
    const { channelId } = packet.header;
    const message = new RoomMessage(packet.header, packet.body, seq, sender, channelId);
    room.sequencer.offer(seq, message, this.#clock.mono());
  }

  /** A talk of this channel was answered: it has that message. Its group may have become large just now. */
  answered(channel: ClientChannel, { group, seq }: InRoom): void {
    if (!channel.caps) return; // old clients are not shown their own messages at all
    const room = this.#rooms.get(keyOf(channel.app, group));
    const isIn = room !== undefined && this.#of.get(channel)?.has(room) === true;
    if (isIn && seq <= (room.late.get(channel) ?? room.sequencer.cursor)) return;
    const answered = isIn ? room.answered : this.#answeredOf(group);
    let seqs = answered.get(channel);
    if (!seqs) answered.set(channel, seqs = new Set());
    // Beyond that a client may see its own message once more, by an id it knows.
    if (seqs.size < ANSWERED) seqs.add(seq);
  }

  pinged(channel: ClientChannel): void {
    for (const room of this.#of.get(channel)?.keys() ?? []) this.#pinged.add(room);
  }

  /** Asks how far the rooms go that are new or whose channels pinged; tries again what failed. */
  second(): void {
    const rooms = [...this.#pinged];
    this.#pinged.clear();
    this.heads(rooms);
    this.#rows.again();
    for (const room of this.#late) this.#catchUp(room);
  }

  /** Asks how far these rooms go; without an argument all of them. */
  heads(rooms: readonly Room[] = [...this.#rooms.values()]): void {
    const byLink = new Map<Uplink, Room[]>();
    for (const room of rooms) {
      const link = room.link;
      if (!link) continue;
      const group = byLink.get(link);
      if (group) group.push(room);
      else byLink.set(link, [room]);
    }
    for (const [link, group] of byLink) {
      for (let at = 0; at < group.length; at += HEADS_AT_ONCE) {
        this.#askHeads(link, group.slice(at, at + HEADS_AT_ONCE));
      }
    }
  }

  expire(nowMs: number): void {
    this.#rows.expire(nowMs);
    for (const room of this.#waiting) {
      if (room.sequencer.deadlineMs > nowMs && room.sequencer.deadlineMs !== Infinity) continue;
      this.#waiting.delete(room);
      if (room.sequencer.deadlineMs <= nowMs && this.#isHere(room)) room.sequencer.expire();
    }
  }

  // ---- what a room's sequencer asks for

  write(room: Room, message: RoomMessage, seq: number): void {
    // hot: per channel and message
    for (const channel of room.gaps.keys()) {
      if (seq > room.leftAt(channel) && room.ours.has(channel)) this.#gone(room, channel);
    }
    let content: Content | undefined;
    let bytes: Uint8Array | undefined;
    for (const [channel, above] of room.ours) {
      if (seq <= above || room.isOut(channel, seq) || room.isAnswered(channel, seq)) continue;
      if (channel.id === message.from) continue;
      if (bytes === undefined || content !== channel.content) {
        content = channel.content;
        bytes = message.push(content).encode(false, 0);
      }
      channel.agent.push(bytes);
    }
    if (room.old.size > 0) this.#rows.passed(room, message);
  }

  fill(room: Room, after: number): void {
    this.#ask(room, after, (page) => {
      if (!this.#isHere(room)) return;
      const now = this.#clock.mono();
      if (page instanceof ImError) return room.sequencer.fillFailed(after, now);
      const rows = page.messages.map((message) => ({ pos: message.seq, packet: storedRoomMessage(message) }));
      room.sequencer.filled({ after, rows, scannedTo: scannedTo(page) }, now);
    });
  }

  giveUp(): void {
    // Only for old clients' indexes, which rooms have none of.
  }

  below(room: Room): void {
    this.#pinged.add(room);
  }

  wait(room: Room): void {
    this.#waiting.add(room);
  }

  // ---- who is in

  #enter(channel: ClientChannel, { group, seq }: InRoom): void {
    const room = this.#obtain(channel.app, group, seq);
    let entered = this.#of.get(channel);
    if (!entered) this.#of.set(channel, entered = new Map());
    const before = entered.get(room);
    if (before !== undefined) {
      if (seq < before) return;
      entered.set(room, seq);
      // It may come back before the room got to where it left.
      if (room.leftAt(channel) < Infinity) room.gaps.get(channel)!.at(-1)!.upTo = seq;
      return;
    }
    entered.set(room, seq);
    const answered = this.#takeAnswered(channel, group);
    if (answered) room.answered.set(channel, answered);
    const passed = room.sequencer.cursor > seq;
    if (!channel.caps) {
      room.old.add(channel);
      if (passed) this.#rows.make(room);
    } else if (passed) {
      room.late.set(channel, seq);
      this.#late.add(room);
      this.#catchUp(room);
    } else room.ours.set(channel, seq);
    room.sequencer.head(seq);
  }

  /** Its account is out since `seq`: what is up to there is still its own. */
  #leave(channel: ClientChannel, group: string, seq: number): void {
    const room = this.#rooms.get(keyOf(channel.app, group));
    const entered = this.#of.get(channel);
    if (!room || seq < (entered?.get(room) ?? Infinity)) return;
    entered?.set(room, seq);
    if (!channel.caps) {
      this.#rows.last(room, channel);
      this.#gone(room, channel);
    } else if ((room.late.has(channel) || room.sequencer.cursor < seq) && this.#gap(room, channel, seq)) {
      room.sequencer.head(seq);
    } else this.#gone(room, channel);
  }

  /** False: it comes and goes more often than is kept. */
  #gap(room: Room, channel: ClientChannel, after: number): boolean {
    const gaps = room.gaps.get(channel);
    if (!gaps) room.gaps.set(channel, [{ after, upTo: Infinity }]);
    else if (room.leftAt(channel) === Infinity) gaps.push({ after, upTo: Infinity });
    return (gaps?.length ?? 0) <= GAPS;
  }

  #gone(room: Room, channel: ClientChannel): void {
    this.#of.get(channel)?.delete(room);
    this.#left(room, channel);
  }

  #left(room: Room, channel: ClientChannel): void {
    for (const channels of [room.ours, room.late, room.gaps, room.answered, room.old]) channels.delete(channel);
    if (room.late.size === 0) this.#late.delete(room);
    if (!room.empty) return;
    this.#rooms.delete(keyOf(room.app, room.group));
    for (const rooms of [this.#pinged, this.#waiting, this.#late]) rooms.delete(room);
    this.#rows.forget(room);
  }

  #obtain(app: string, group: string, seq: number): Room {
    const key = keyOf(app, group);
    let room = this.#rooms.get(key);
    if (!room) {
      this.#rooms.set(key, room = new Room(app, group, this));
      room.sequencer.open(seq, 0);
      this.#pinged.add(room); // what came before it was here was dropped
    }
    return room;
  }

  #answeredOf(group: string): Map<ClientChannel, Set<number>> {
    let found = this.#answered.get(group);
    if (!found) this.#answered.set(group, found = new Map());
    return found;
  }

  #takeAnswered(channel: ClientChannel, group: string): Set<number> | undefined {
    const channels = this.#answered.get(group);
    const seqs = channels?.get(channel);
    if (channels?.delete(channel) && channels.size === 0) this.#answered.delete(group);
    return seqs;
  }

  #isHere(room: Room): boolean {
    return this.#rooms.get(keyOf(room.app, room.group)) === room;
  }

  // ---- what is asked for

  /** What late channels lack, all of them at once, a page at a time, up to where the room is. */
  #catchUp(room: Room): void {
    if (room.catchingUp) return;
    let after = Infinity;
    for (const [channel, seq] of room.late) if (hasRoom(channel)) after = Math.min(after, seq);
    if (after === Infinity) return;
    room.catchingUp = true;
    this.#ask(room, after, (page) => {
      room.catchingUp = false;
      // Tried again in a second.
      if (page instanceof ImError || !this.#isHere(room)) return;
      const messages = page.messages.map(storedRoomMessage);
      for (const [channel, had] of [...room.late]) {
        if (had >= after && hasRoom(channel)) this.#caughtUp(room, channel, had, messages, scannedTo(page));
      }
      this.#catchUp(room);
    });
  }

  #caughtUp(room: Room, channel: ClientChannel, had: number, messages: readonly RoomMessage[], upTo: number): void {
    const last = room.leftAt(channel);
    for (const message of messages) {
      if (message.seq <= had || room.isOut(channel, message.seq) || room.isAnswered(channel, message.seq)) continue;
      channel.agent.push(message.push(channel.content).encode(false, 0));
    }
    if (!room.late.has(channel)) return; // it was too slow
    const seq = Math.max(had, upTo);
    if (seq >= last) return this.#gone(room, channel);
    room.late.set(channel, seq);
    if (seq < room.sequencer.cursor && seq > had) return; // there is more
    room.late.delete(channel);
    room.ours.set(channel, seq);
    if (room.late.size === 0) this.#late.delete(room);
  }

  #ask(room: Room, after: number, done: (page: pkt.HistoryResp | ImError) => void): void {
    const link = room.link;
    if (!link) return done(new ImError("CLOSED", "Cannot fill a room: no server is linked"));
    const body = encodeBody(pkt.RoomFillReq, { app: room.app, groupId: room.group, after, limit: FILL_ROWS });
    this.#asks.ask(link, "im.room.fill", body, (answer) => done(decoded(pkt.HistoryResp, answer)));
  }

  #askHeads(link: Uplink, rooms: readonly Room[]): void {
    const items = rooms.map(({ app, group }) => ({ app, groupId: group }));
    const cursors = rooms.map(({ sequencer }) => sequencer.cursor);
    this.#asks.ask(link, "im.room.heads", encodeBody(pkt.RoomHeadsReq, { items }), (answer) => {
      const found = decoded(pkt.RoomHeadsResp, answer);
      if (found instanceof ImError) {
        for (const room of rooms) if (this.#isHere(room)) this.#pinged.add(room); // asked again in a second
        return;
      }
      rooms.forEach((room, at) => {
        const head = found.heads[at];
        if (head === undefined || !this.#isHere(room)) return;
        if (head >= cursors[at]!) room.sequencer.head(head);
        else putBack(room);
      });
    });
  }
}

/** The group ends before what its channels were sent: the store is an older copy, and a login reads it anew. */
function putBack({ ours, late, old }: Room): void {
  for (const channel of [...ours.keys(), ...late.keys(), ...old]) channel.agent.close(CLOSE.INTERNAL);
}

/** A client that is behind with reading gets no more before there is room again. */
function hasRoom({ agent }: ClientChannel): boolean {
  return agent.queuedPushBytes <= FILL_ROOM_BYTES;
}

/** A page that was cut short says nothing about what is behind it. */
function scannedTo({ messages, head }: pkt.HistoryResp): number {
  const last = messages.at(-1);
  return last && last.seq < head ? last.seq : head;
}

function keyOf(app: string, group: string): string {
  return `${app}/${group}`;
}
