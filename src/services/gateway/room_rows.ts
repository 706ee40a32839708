import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import { encodeBody } from "../../protocol/bodies.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { type Asks, decoded } from "./asks.ts";
import type { ClientChannel } from "./client_channel.ts";
import type { Room, RoomMessage } from "./room.ts";

/** Accounts in one question. */
const ACCOUNTS_AT_ONCE = 500;
/** A room with so many old clients asks at most so often: a question costs each of them a row, however many it makes. */
const MANY_OLD = 50, PACE_MS = 100;

/**
 * Old clients know inbox positions only. Before a room's message is written to them their rows are asked for, all old
 * clients of the room at once; what is at hand is offered for the position it got, the rest comes by their fills.
 */
export class RoomRows {
  readonly #asks: Asks;
  readonly #clock: Clock;
  /** One question makes the rows of all rooms of an account. */
  readonly #roomOf: (app: string, group: string) => Room | undefined;
  /** Rooms whose old clients may lack rows. */
  readonly #due = new Set<Room>();
  /** Those that ask when it is time: they asked a moment ago. */
  readonly #paced = new Set<Room>();

  constructor(asks: Asks, clock: Clock, roomOf: (app: string, group: string) => Room | undefined) {
    this.#asks = asks;
    this.#clock = clock;
    this.#roomOf = roomOf;
  }

  /** The room's cursor passed a message. */
  passed(room: Room, message: RoomMessage): void {
    room.remember(message);
    this.make(room);
  }

  /** One question a room is under way; what comes meanwhile is asked for after it, of many old clients a little later. */
  make(room: Room): void {
    if (room.old.size === 0) return this.forget(room);
    this.#due.add(room);
    room.rowsDue = true;
    if (room.makingRows) return;
    const now = this.#clock.mono();
    if (room.old.size >= MANY_OLD && now < room.rowsAskedMs + PACE_MS) this.#paced.add(room);
    else this.#make(room, now);
  }

  /** Asks what had to wait. Called with the gateway's tick. */
  expire(nowMs: number): void {
    for (const room of this.#paced) {
      if (nowMs < room.rowsAskedMs + PACE_MS) continue;
      this.#paced.delete(room);
      this.make(room);
    }
  }

  /** Tries again what could not be had. Called once a second. */
  again(): void {
    for (const room of this.#due) this.make(room);
  }

  /** The account of an old channel left: it gets rows for what was sent while it was in. */
  last(room: Room, channel: ClientChannel): void {
    this.#ask(room, [channel.account], new Map([[channel.account, [channel]]]), () => {});
  }

  forget(room: Room): void {
    this.#due.delete(room);
    this.#paced.delete(room);
  }

  #make(room: Room, now: number): void {
    this.#paced.delete(room);
    room.makingRows = true;
    room.rowsDue = false;
    room.rowsAskedMs = now;
    const channels = channelsOf(room);
    const accounts = [...channels.keys()];
    let left = Math.ceil(accounts.length / ACCOUNTS_AT_ONCE);
    let failed = false;
    for (let at = 0; at < accounts.length; at += ACCOUNTS_AT_ONCE) {
      this.#ask(room, accounts.slice(at, at + ACCOUNTS_AT_ONCE), channels, (ok) => {
        if (!ok) failed = true;
        if (--left > 0) return;
        room.makingRows = false;
        if (failed) return; // again in a second, or with the next message
        if (room.rowsDue) this.make(room);
        else this.#due.delete(room);
      });
    }
  }

  #ask(
    room: Room,
    accounts: readonly string[],
    channels: ReadonlyMap<string, readonly ClientChannel[]>,
    done: (ok: boolean) => void,
  ): void {
    const link = room.link;
    if (!link) return done(false);
    const body = encodeBody(pkt.RoomRowsReq, { app: room.app, accounts: [...accounts] });
    this.#asks.ask(link, "im.room.rows", body, (answer) => {
      const made = decoded(pkt.RoomRowsResp, answer);
      if (!(made instanceof ImError)) this.#made(room.app, accounts, channels, made);
      done(!(made instanceof ImError));
    });
  }

  #made(
    app: string,
    accounts: readonly string[],
    channels: ReadonlyMap<string, readonly ClientChannel[]>,
    made: pkt.RoomRowsResp,
  ): void {
    const now = this.#clock.mono();
    for (const { account, groupId, seq, pos } of made.rows) {
      const message = this.#roomOf(app, groupId)?.recent.get(seq);
      if (!message || pos === 0) continue;
      for (const channel of channels.get(accounts[account] ?? "") ?? []) {
        if (channel.state !== "open") continue;
        // An old client is not shown its account's own messages.
        if (message.sender === channel.account && !channel.caps) channel.sequencer.answered(pos, now);
        else channel.sequencer.offer(pos, message.push(channel.content), now);
      }
    }
    accounts.forEach((account, at) => {
      for (const channel of channels.get(account) ?? []) {
        if (channel.state === "open") channel.sequencer.head(made.heads[at] ?? 0);
      }
    });
  }
}

/** The room's old channels by account, and beside them ours of the same accounts: the rows are in their inboxes too. */
function channelsOf(room: Room): Map<string, ClientChannel[]> {
  const found = new Map<string, ClientChannel[]>();
  for (const channel of room.old) {
    const same = found.get(channel.account);
    if (same) same.push(channel);
    else found.set(channel.account, [channel]);
  }
  for (const channel of room.ours.keys()) found.get(channel.account)?.push(channel);
  return found;
}
