import type { Clock } from "../base/clock.ts";
import type { ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import * as pkt from "../protocol/gen/pkt_messages.ts";
import { HISTORY } from "./commands.ts";
import type { Requests } from "./connection.ts";
import type { Delivery } from "./delivery.ts";
import { LogCursor, type LogPage } from "./log_cursor.ts";
import type { Arrival } from "./message.ts";

/** Pages on their way at once: the gateway lets few requests wait that are answered with pages. */
const AT_ONCE = 4;
/** Groups whose place is saved: the last ones that said something. */
const SAVED = 1_000;

/** Messages of a large group that are not handed over, because the client was away for too many of them. */
export interface Skipped {
  readonly group: string;
  /** Seq of the first and the last of them; `client.conversations.history` has them. */
  readonly from: number;
  readonly to: number;
}

/** What the rooms ask of their owner. */
export interface RoomsPort {
  /** A row of a page. */
  read(row: pkt.MessagePush): Arrival;
  /** That is next in its group. Undefined: nothing stands at that seq. */
  give(group: string, seq: number, arrival: Arrival | undefined): void;
  skipped(skipped: Skipped): void;
}

interface Room {
  readonly log: LogCursor;
  /** Is what lacks since the login still to be counted? */
  counting: boolean;
}

/**
 * The account's groups by seq. A small group's messages come through the inbox, and here only its place is known. A large
 * group is a room: a cursor over its messages, whichever way they come, pulled by pages with chat.history. Which groups
 * are large is in the login's answer; one that becomes large later shows by a push without inbox position.
 */
export class Rooms {
  readonly #port: RoomsPort;
  readonly #delivery: Delivery;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #log: Logger;
  readonly #backlog: number;
  readonly #rooms = new Map<string, Room>();
  /** The last seq given. */
  readonly #given = new Map<string, number>();
  /** The last seq whose handlers have run; the group that moved last is the last one. */
  readonly #handled = new Map<string, number>();
  #requests: Requests | undefined;
  #pulls: (() => void)[] = [];
  #pulling = 0;

  /** @param backlog messages of a room that are handed over after an absence: the newest so many */
  constructor(
    port: RoomsPort,
    backlog: number,
    delivery: Delivery,
    clock: Clock,
    random: () => number,
    log: Logger,
  ) {
    this.#port = port;
    this.#backlog = backlog;
    this.#delivery = delivery;
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
  }

  /** What a storage keeps; undefined: nothing. */
  get saved(): Readonly<Record<string, number>> | undefined {
    return this.#handled.size > 0 ? Object.fromEntries(this.#handled) : undefined;
  }

  /** What an earlier run saved. */
  restore(saved: Readonly<Record<string, number>>): void {
    for (const [group, seq] of Object.entries(saved)) {
      this.#given.set(group, seq);
      this.handled(group, seq);
    }
  }

  /** Connected: these are the account's large groups. A new device begins at their heads. */
  start(requests: Requests, rooms: readonly pkt.Room[], newDevice: boolean): void {
    this.#requests = requests;
    const large = new Set(rooms.map(({ groupId }) => groupId));
    for (const group of this.#rooms.keys()) if (!large.has(group)) this.#rooms.delete(group); // left, meanwhile
    for (const { groupId: group, head } of rooms) {
      const room = this.#obtain(group);
      // Beyond the head: it is another log, or lost its end.
      if (room.log.cursor > head) room.log.begin(0);
      if (newDevice) room.log.moveTo(head);
      room.counting = room.log.cursor < head;
      room.log.start(requests, head, room.counting);
    }
  }

  /** The connection is gone. */
  stop(): void {
    this.#requests = undefined;
    this.#pulls = [];
    this.#pulling = 0;
    for (const { log } of this.#rooms.values()) log.stop();
  }

  /** Is that a large group, as far as is known? */
  has(group: string): boolean {
    return this.#rooms.has(group);
  }

  /** A message of a large group. */
  offer(arrival: Arrival): void {
    let room = this.#rooms.get(arrival.group);
    if (!room && this.#requests) {
      room = this.#obtain(arrival.group); // it became large just now, or we have joined it
      room.log.start(this.#requests, 0, false);
    }
    room?.log.offer(arrival.seq, arrival);
  }

  /** A small group's message was given. */
  passed(group: string, seq: number): void {
    this.#given.set(group, seq);
  }

  /** The handlers of that message have run. */
  handled(group: string, seq: number): void {
    this.#handled.delete(group);
    this.#handled.set(group, seq);
    if (this.#handled.size > SAVED) {
      for (const oldest of this.#handled.keys()) return void this.#handled.delete(oldest);
    }
  }

  /** The delivery can take steps again. */
  roomAgain(): void {
    for (const { log } of this.#rooms.values()) log.next();
  }

  #obtain(group: string): Room {
    const known = this.#rooms.get(group);
    if (known) return known;
    const room: Room = { log: this.#cursorOf(group, (page) => this.#counted(group, room, page)), counting: true };
    this.#rooms.set(group, room);
    return room;
  }

  #cursorOf(group: string, counted: (page: pkt.HistoryResp) => LogPage): LogCursor {
    return new LogCursor(
      {
        pull: (requests, range, page, failed) => {
          this.#pulls.push(() => this.#pull(requests, group, range, (answer) => page(counted(answer)), failed));
          this.#pump();
        },
        posOf: (row) => row.seq,
        read: (row) => this.#port.read(row),
        give: (seq, arrival) => {
          this.#given.set(group, seq);
          this.#port.give(group, seq, arrival);
        },
        named: () => true,
      },
      this.#delivery,
      this.#clock,
      this.#random,
      this.#log,
      this.#given.get(group),
    );
  }

  #pump(): void {
    while (this.#pulling < AT_ONCE && this.#pulls.length > 0) {
      this.#pulling++;
      this.#pulls.shift()!();
    }
  }

  #pull(
    requests: Requests,
    group: string,
    { after, limit }: { readonly after: number; readonly limit: number },
    page: (answer: pkt.HistoryResp) => void,
    failed: (error: ImError) => void,
  ): void {
    const over = () => {
      if (this.#requests !== requests) return false;
      this.#pulling--;
      return true;
    };
    requests.request(HISTORY, group, requests.codec.encode(pkt.HistoryReq, { group: true, after, limit }), (body) => {
      const answer = requests.codec.decode(pkt.HistoryResp, body);
      over();
      page(answer);
      this.#pump();
    }, (error) => {
      if (!over()) return;
      if (error.code === "UNAUTHORIZED" || error.code === "INVALID_BODY") this.#left(group);
      else failed(error);
      this.#pump();
    });
  }

  /** We are not in it any more. */
  #left(group: string): void {
    this.#rooms.get(group)?.log.stop();
    this.#rooms.delete(group);
  }

  /** The first page after a login tells how much lacks; of too much only the end is handed over. */
  #counted(group: string, room: Room, { messages, first, head }: pkt.HistoryResp): LogPage {
    const scannedTo = messages.at(-1)?.seq ?? head;
    const after = Math.max(room.log.cursor, first - 1);
    const to = head - this.#backlog;
    const skips = room.counting && to > after;
    room.counting = false;
    if (!skips) return { messages, scannedTo, head };
    this.#port.skipped({ group, from: after + 1, to });
    return { messages: messages.filter(({ seq }) => seq > to), scannedTo: Math.max(to, scannedTo), head };
  }
}
