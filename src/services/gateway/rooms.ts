import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Downward, Uplink } from "../../container/link.ts";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import type { InRoom } from "../../protocol/route.ts";
import { STATUS } from "../../protocol/status.ts";
import type { Asks } from "./asks.ts";
import type { ClientChannel } from "./client_channel.ts";
import { FILL_ROWS } from "./config.ts";
import { Room, RoomMessage, storedRoomMessage } from "./room.ts";
import type { SequencerPort } from "./sequencer.ts";

/** Rooms named in one question for heads; accounts in one for rows. */
const HEADS_AT_ONCE = 1_000;
const ACCOUNTS_AT_ONCE = 500;
/** Messages of a room whose rows for old clients are being made; later ones reach them by a fill. */
const OLD_WAITING = 64;

/**
 * The large groups of a gateway's channels. A room is a cursor over its conversation, as a channel is over its inbox: the
 * same state machine fills its holes. What it lets pass goes to our clients as it is; for old clients, which know
 * positions only, inbox rows are asked for first, all old clients of the room in one request.
 */
export class Rooms implements SequencerPort<Room> {
  readonly #asks: Asks;
  readonly #clock: Clock;
  readonly #rooms = new Map<string, Room>();
  /** The rooms of each channel that is in one. */
  readonly #of = new Map<ClientChannel, Set<Room>>();
  readonly #waiting = new Set<Room>();
  /** Rooms with a channel that pinged since the last `second`. */
  readonly #pinged = new Set<Room>();
  /** Rooms whose old clients may lack rows. */
  readonly #rowsDue = new Set<Room>();

  constructor(asks: Asks, clock: Clock) {
    this.#asks = asks;
    this.#clock = clock;
  }

  get size(): number {
    return this.#rooms.size;
  }

  /** The channel is in these rooms from now on, and is sent what is above each `seq`. */
  enter(channel: ClientChannel, rooms: readonly InRoom[]): void {
    if (rooms.length === 0) return;
    let entered = this.#of.get(channel);
    if (!entered) this.#of.set(channel, entered = new Set());
    for (const { group, seq } of rooms) {
      const room = this.#obtain(channel.app, group, seq);
      if (entered.has(room)) continue;
      entered.add(room);
      if (channel.caps) room.ours.set(channel, seq);
      else room.old.add(channel);
      // What passed while the login was answered.
      if (room.sequencer.cursor > seq) this.#catchUp(room, channel, seq);
      else room.sequencer.head(seq);
    }
  }

  leave(channel: ClientChannel, group: string): void {
    const room = this.#rooms.get(keyOf(channel.app, group));
    if (room && this.#of.get(channel)?.delete(room)) this.#left(room, channel);
  }

  /** The channel is gone. */
  forget(channel: ClientChannel): void {
    for (const room of this.#of.get(channel) ?? []) this.#left(room, channel);
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

  pinged(channel: ClientChannel): void {
    for (const room of this.#of.get(channel) ?? []) this.#pinged.add(room);
  }

  /** Asks how far the rooms go whose channels pinged, and fills what lags. */
  second(): void {
    const rooms = [...this.#pinged];
    this.#pinged.clear();
    this.heads(rooms);
    for (const room of this.#rowsDue) if (!room.makingRows) this.#makeRows(room);
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
    for (const room of this.#waiting) {
      if (room.sequencer.deadlineMs > nowMs && room.sequencer.deadlineMs !== Infinity) continue;
      this.#waiting.delete(room);
      if (room.sequencer.deadlineMs <= nowMs && this.#isHere(room)) room.sequencer.expire();
    }
  }

  // ---- what a room's sequencer asks for

  write(room: Room, message: RoomMessage, seq: number): void {
    for (const [channel, above] of room.ours) {
      if (seq > above && channel.id !== message.from && channel.state === "open") {
        channel.agent.push(message.push(channel.content).encode(false, 0));
      }
    }
    if (room.old.size === 0) return;
    if (room.oldWaiting.length < OLD_WAITING) room.oldWaiting.push(message);
    this.#makeRows(room);
  }

  fill(room: Room, after: number): void {
    this.#ask(room, after, (page) => {
      if (!this.#isHere(room)) return;
      const now = this.#clock.mono();
      if (page instanceof ImError) return room.sequencer.fillFailed(after, now);
      const rows = page.messages.map((message) => ({ pos: message.seq, packet: storedRoomMessage(message) }));
      const full = rows.length > 0 && rows.at(-1)!.pos < page.head;
      room.sequencer.filled({ after, rows, scannedTo: full ? rows.at(-1)!.pos : page.head }, now);
    });
  }

  giveUp(): void {
    // Only for old clients' indexes, which rooms have none of.
  }

  wait(room: Room): void {
    this.#waiting.add(room);
  }

  /** Inbox rows for the room's old clients; the messages at hand are offered for the positions they got. */
  #makeRows(room: Room): void {
    const link = room.link;
    room.rowsDue = true;
    this.#rowsDue.add(room);
    if (room.makingRows || !link) return;
    room.makingRows = true;
    room.rowsDue = false;
    const messages = room.oldWaiting;
    room.oldWaiting = [];
    const accounts = [...new Set([...room.old].map((one) => one.account))];
    let left = Math.ceil(accounts.length / ACCOUNTS_AT_ONCE);
    for (let at = 0; at < accounts.length; at += ACCOUNTS_AT_ONCE) {
      const some = accounts.slice(at, at + ACCOUNTS_AT_ONCE);
      const body = encodeBody(pkt.RoomRowsReq, { app: room.app, accounts: some });
      this.#asks.ask(link, "im.room.rows", body, (answer) => {
        // What failed is tried again with the next message, or in a second.
        if (failed(answer)) room.rowsDue = true;
        else this.#rowsMade(room, some, messages, decodeBody(pkt.RoomRowsResp, answer.body));
        if (--left > 0) return;
        room.makingRows = false;
        if (room.oldWaiting.length > 0) this.#makeRows(room);
        else if (!room.rowsDue) this.#rowsDue.delete(room);
      });
    }
  }

  #rowsMade(room: Room, accounts: readonly string[], messages: readonly RoomMessage[], made: pkt.RoomRowsResp): void {
    const now = this.#clock.mono();
    const bySeq = new Map(messages.map((message) => [message.seq, message]));
    const channels = new Map<string, ClientChannel[]>();
    for (const channel of room.old) {
      const same = channels.get(channel.account);
      if (same) same.push(channel);
      else channels.set(channel.account, [channel]);
    }
    for (const { account, groupId, seq, pos } of made.rows) {
      const message = groupId === room.group ? bySeq.get(seq) : undefined;
      if (!message) continue;
      for (const channel of channels.get(accounts[account] ?? "") ?? []) {
        // An old client is not shown its account's own messages.
        if (message.sender === channel.account) channel.sequencer.answered(pos, now);
        else channel.sequencer.offer(pos, message.push(channel.content), now);
      }
    }
    accounts.forEach((account, at) => {
      for (const channel of channels.get(account) ?? []) channel.sequencer.head(made.heads[at] ?? 0);
    });
  }

  /** What a channel that entered late was not sent: above `after`, up to where the room is. */
  #catchUp(room: Room, channel: ClientChannel, after: number): void {
    if (!channel.caps) return this.#makeRows(room);
    const upTo = room.sequencer.cursor;
    this.#ask(room, after, (page) => {
      // Its own next look at the room's messages shows it the hole.
      if (page instanceof ImError || channel.state !== "open" || !room.ours.has(channel)) return;
      for (const message of page.messages) {
        if (message.seq > upTo) return;
        channel.agent.push(storedRoomMessage(message).push(channel.content).encode(false, 0));
      }
      const last = page.messages.at(-1)?.seq ?? upTo;
      if (last < upTo && last > after) this.#catchUp(room, channel, last);
    });
  }

  #ask(room: Room, after: number, done: (page: pkt.HistoryResp | ImError) => void): void {
    const link = room.link;
    if (!link) return done(new ImError("CLOSED", "Cannot fill a room: no server is linked"));
    const body = encodeBody(pkt.RoomFillReq, { app: room.app, groupId: room.group, after, limit: FILL_ROWS });
    this.#asks.ask(link, "im.room.fill", body, (answer) => {
      done(failed(answer) ? new ImError("SYSTEM", "Cannot fill a room") : decodeBody(pkt.HistoryResp, answer.body));
    });
  }

  #askHeads(link: Uplink, rooms: readonly Room[]): void {
    const items = rooms.map(({ app, group }) => ({ app, groupId: group }));
    this.#asks.ask(link, "im.room.heads", encodeBody(pkt.RoomHeadsReq, { items }), (answer) => {
      if (failed(answer)) return; // asked again with the next ping
      const { heads } = decodeBody(pkt.RoomHeadsResp, answer.body);
      rooms.forEach((room, at) => {
        if (this.#isHere(room)) room.sequencer.head(heads[at] ?? 0);
      });
    });
  }

  #obtain(app: string, group: string, seq: number): Room {
    const key = keyOf(app, group);
    let room = this.#rooms.get(key);
    if (!room) {
      this.#rooms.set(key, room = new Room(app, group, this));
      room.sequencer.open(seq, 0);
    }
    return room;
  }

  #left(room: Room, channel: ClientChannel): void {
    room.ours.delete(channel);
    room.old.delete(channel);
    if (room.ours.size + room.old.size > 0) return;
    this.#rooms.delete(keyOf(room.app, room.group));
    this.#pinged.delete(room);
    this.#waiting.delete(room);
    this.#rowsDue.delete(room);
  }

  #isHere(room: Room): boolean {
    return this.#rooms.get(keyOf(room.app, room.group)) === room;
  }
}

function failed(answer: Downward | ImError): answer is ImError {
  return answer instanceof ImError || answer.header.status !== STATUS.SUCCESS.wire;
}

function keyOf(app: string, group: string): string {
  return `${app}/${group}`;
}
