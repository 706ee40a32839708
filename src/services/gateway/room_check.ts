import { ImError } from "../../base/errors.ts";
import type { Counter, Metrics } from "../../base/metrics.ts";
import { encodeBody } from "../../protocol/bodies.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../protocol/limits.ts";
import { roomDigest } from "../../protocol/room_digest.ts";
import { type Asks, decoded } from "./asks.ts";
import type { ClientChannel } from "./client_channel.ts";
import type { Rooms } from "./rooms.ts";

/** Ticks (50 ms) from one question to the next: 1,000 channels a second. */
const EVERY_TICKS = 2;

/**
 * Which large groups channels are in, checked when a change may have been lost with a chat server or a link: one question
 * at a time, a part of the channels in each.
 */
export class RoomCheck {
  readonly #asks: Asks;
  readonly #rooms: Rooms;
  readonly #corrected: Counter;
  readonly #due = new Set<ClientChannel>();
  /** Channels that were asked for and whose rooms have not changed since. */
  #asked: Set<ClientChannel> | undefined;
  #ticks = 0;

  constructor({ asks, metrics }: { readonly asks: Asks; readonly metrics: Metrics }, rooms: Rooms) {
    this.#asks = asks;
    this.#rooms = rooms;
    this.#corrected = metrics.counter(
      "petrel_rooms_corrected_total",
      "Channels whose rooms were not those of the store, found by a check",
    );
  }

  /** Channels whose login is under way wait for its answer. */
  add(channels: Iterable<ClientChannel>): void {
    for (const channel of channels) {
      if (channel.state === "open" || channel.state === "login") this.#due.add(channel);
    }
  }

  /** A change of its rooms came: an answer that is on its way may be older. */
  changed(channel: ClientChannel): void {
    if (this.#asked?.delete(channel)) this.#due.add(channel);
  }

  forget(channel: ClientChannel): void {
    this.#due.delete(channel);
    this.#asked?.delete(channel);
  }

  tick(): void {
    if (this.#due.size === 0 || this.#asked || ++this.#ticks % EVERY_TICKS !== 0) return;
    const channels: ClientChannel[] = [];
    for (const channel of this.#due) {
      if (channel.state === "login") continue;
      this.#due.delete(channel);
      if (channel.state === "open" && !channel.kim) channels.push(channel);
      if (channels.length === PAGES.roomCheck) break;
    }
    if (channels.length > 0) this.#ask(channels);
  }

  #ask(channels: readonly ClientChannel[]): void {
    const link = channels.find(({ link }) => link?.state === "open")?.link;
    if (!link) return; // without a server there is nothing to be wrong about yet: a new link starts a check
    const items = channels.map((channel) => {
      const { app, account } = channel;
      return { app, account, digest: roomDigest(this.#rooms.groupsOf(channel)) };
    });
    const asked = this.#asked = new Set(channels);
    this.#asks.ask(link, "im.room.check", encodeBody(pkt.RoomCheckReq, { items }), (answer) => {
      this.#asked = undefined;
      const found = decoded(pkt.RoomCheckResp, answer);
      if (found instanceof ImError) return this.add(asked);
      for (const { item, rooms } of found.results) {
        const channel = channels[item];
        if (!channel || !asked.has(channel) || channel.state !== "open") continue;
        this.#corrected.inc();
        this.#rooms.correct(channel, rooms);
      }
    });
  }
}
