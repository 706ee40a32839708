import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Counter, Metrics } from "../../base/metrics.ts";
import { encodeBody } from "../../protocol/bodies.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import { encodeAs } from "../../protocol/content.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import type { Downward, Uplink } from "../../container/link.ts";
import { type Asks, decoded } from "./asks.ts";
import type { ClientChannel } from "./client_channel.ts";
import { FILL_ROOM_BYTES, FILL_ROWS } from "./config.ts";
import type { Filled, SequencerPort } from "./sequencer.ts";
import { SharedPush } from "./shared_push.ts";

/** Channels named in one question for heads. */
const HEADS_AT_ONCE = 1_000;
/** Of all channels that are due, so many are asked for in one tick (50 ms). */
const HEADS_A_TICK = 2_000;

/**
 * What the sequencers of a gateway's channels need: writing, filling holes from the store, and, once a second, the
 * heads of channels that pinged, so that a lost tail is noticed too, and a database that was put back.
 */
export class CatchUp implements SequencerPort<ClientChannel> {
  readonly #asks: Asks;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #fills: Counter;
  readonly #filledRows: Counter;
  /** Channels whose sequencer has a deadline. */
  readonly #waiting = new Set<ClientChannel>();
  readonly #pinged = new Set<ClientChannel>();
  /** Their heads are asked for one tick after the other. */
  readonly #due = new Set<ClientChannel>();
  readonly #missing: (channels: readonly ClientChannel[]) => void;

  /** @param missing is told which channels have no session. */
  constructor(
    { asks, clock, log, metrics }: {
      readonly asks: Asks;
      readonly clock: Clock;
      readonly log: Logger;
      readonly metrics: Metrics;
    },
    missing: (channels: readonly ClientChannel[]) => void,
  ) {
    this.#missing = missing;
    this.#asks = asks;
    this.#clock = clock;
    this.#log = log;
    this.#fills = metrics.counter("petrel_fills_total", "Holes of channels that were asked from the store");
    this.#filledRows = metrics.counter("petrel_filled_rows_total", "Messages that reached a channel through a fill");
  }

  write(channel: ClientChannel, packet: SharedPush, pos: number): void {
    channel.agent.push(packet.encode(channel.caps, pos));
  }

  giveUp(channel: ClientChannel): void {
    channel.agent.close(CLOSE.OVERLOAD);
  }

  below(channel: ClientChannel): void {
    this.pinged(channel);
  }

  wait(channel: ClientChannel): void {
    this.#waiting.add(channel);
  }

  /** A channel showed that it is alive: its head is asked for at the next `second`. */
  pinged(channel: ClientChannel): void {
    this.#pinged.add(channel);
  }

  fill(channel: ClientChannel, after: number, upTo: number): void {
    const { link, agent, app, account } = channel;
    // A client that is behind with reading gets no more before there is room again.
    if (!link || link.state === "closed" || agent.queuedPushBytes > FILL_ROOM_BYTES) {
      return channel.sequencer.fillFailed(after, this.#clock.mono());
    }
    this.#fills.inc();
    const body = encodeBody(pkt.FillReq, { app, account, after, upTo, limit: FILL_ROWS });
    this.#asks.ask(link, "im.fill", body, (answer) => this.#filled(channel, after, answer));
  }

  /** Ends deadlines that have passed; cheap when there are none. */
  expire(nowMs: number): void {
    for (const channel of this.#waiting) {
      if (channel.state === "closed" || channel.sequencer.deadlineMs === Infinity) this.#waiting.delete(channel);
      else if (channel.sequencer.deadlineMs <= nowMs) {
        this.#waiting.delete(channel);
        channel.sequencer.expire();
      }
    }
  }

  /** The channels that pinged since the last time are due. */
  second(): void {
    this.look(this.#pinged);
    this.#pinged.clear();
  }

  /** Asks for the heads of these channels, some at a time; those whose login is under way wait for its answer. */
  look(channels: Iterable<ClientChannel>): void {
    for (const channel of channels) this.#due.add(channel);
  }

  /** Asks for the heads of the next channels that are due. */
  tick(): void {
    if (this.#due.size === 0) return;
    const next: ClientChannel[] = [];
    for (const channel of this.#due) {
      if (next.length === HEADS_A_TICK) break;
      if (channel.state === "login") continue;
      this.#due.delete(channel);
      next.push(channel);
    }
    this.heads(next);
  }

  /** Asks how far these channels' inboxes go and fills what lags. */
  heads(channels: Iterable<ClientChannel>): void {
    const byLink = new Map<Uplink, ClientChannel[]>();
    for (const channel of channels) {
      if (channel.state !== "open" || !channel.link || channel.kim) continue;
      const group = byLink.get(channel.link);
      if (group) group.push(channel);
      else byLink.set(channel.link, [channel]);
    }
    for (const [link, group] of byLink) {
      for (let at = 0; at < group.length; at += HEADS_AT_ONCE) {
        this.#askHeads(link, group.slice(at, at + HEADS_AT_ONCE));
      }
    }
  }

  forget(channel: ClientChannel): void {
    this.#waiting.delete(channel);
    this.#pinged.delete(channel);
    this.#due.delete(channel);
  }

  #askHeads(link: Uplink, channels: readonly ClientChannel[]): void {
    const now = this.#clock.mono();
    for (const channel of channels) channel.lookedMs = now;
    const items = channels.map(({ app, account, id }) => ({ app, account, channelId: id }));
    const cursors = channels.map(({ sequencer }) => sequencer.cursor);
    this.#asks.ask(link, "im.heads", encodeBody(pkt.HeadsReq, { items }), (answer) => {
      const found = decoded(pkt.HeadsResp, answer);
      if (found instanceof ImError) return this.#again(channels);
      const { positions, missing } = found;
      channels.forEach((channel, at) => {
        const head = positions[at];
        if (channel.state !== "open" || head === undefined) return;
        if (head >= cursors[at]!) channel.sequencer.head(head);
        else this.#putBack(channel, head);
      });
      if (missing.length === 0) return;
      const ids = new Set(missing);
      this.#missing(channels.filter(({ id }) => ids.has(id)));
    });
  }

  /** They are asked for once more in a second: some clients never ping. */
  #again(channels: readonly ClientChannel[]): void {
    for (const channel of channels) if (channel.state === "open") this.#pinged.add(channel);
  }

  /** The inbox ends before what this channel was sent: the database is an older copy, and a login reads it anew. */
  #putBack(channel: ClientChannel, head: number): void {
    this.#log.warn("inbox was put back", { channelId: channel.id, sent: channel.sequencer.cursor, head });
    channel.agent.close(CLOSE.INTERNAL);
  }

  #filled(channel: ClientChannel, after: number, answer: Downward | ImError): void {
    if (channel.state === "closed") return;
    const page = decoded(pkt.SyncResp, answer);
    if (page instanceof ImError) {
      this.#log.debug("fill failed", { channelId: channel.id, after });
      return channel.sequencer.fillFailed(after, this.#clock.mono());
    }
    this.#filledRows.inc(page.messages.length);
    channel.sequencer.filled(rowsOf(channel, after, page), this.#clock.mono());
  }
}

/** Stored messages as the pushes they would have been; an old client is not shown its own. */
function rowsOf(channel: ClientChannel, after: number, page: pkt.SyncResp): Filled {
  const rows = page.messages.map((message) => {
    const pos = message.userSeq;
    if (message.sender === channel.account && !channel.caps) return { pos, packet: undefined };
    const command = message.group ? "chat.group.talk" : "chat.user.talk";
    const { messageId, type, body, extra, sender, sendTime, seq, clientMsgId } = message;
    const push = { messageId, type, body, extra, sender, sendTime, seq, clientMsgId };
    const header = makeHeader(command, { flag: FLAG.PUSH, dest: message.dest });
    return { pos, packet: new SharedPush(header, encodeAs(channel.content, pkt.MessagePush, push)) };
  });
  return { after, rows, scannedTo: page.scannedTo };
}
