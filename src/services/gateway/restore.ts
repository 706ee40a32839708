import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Counter, Metrics } from "../../base/metrics.ts";
import type { Uplink } from "../../container/link.ts";
import { EMPTY, encodeBody } from "../../protocol/bodies.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { PAGES } from "../../protocol/limits.ts";
import { type Asks, decoded } from "./asks.ts";
import type { ClientChannel } from "./client_channel.ts";
import type { ClientAbout } from "./login.ts";

/** Requests under way at once. */
const MOST_ASKED = 4;
/** After one that failed nothing is asked for so long. */
const PAUSE_MS = 500;

export interface RestoreDeps {
  readonly asks: Asks;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly gateId: string;
  /** Their sessions are back: what was pushed meanwhile did not reach them. */
  restored(channels: readonly ClientChannel[]): void;
}

/** Puts the sessions of channels back that the session store lost, until they are back or the channel is gone. */
export class Restore {
  readonly #deps: RestoreDeps;
  readonly #count: Counter;
  readonly #due = new Set<ClientChannel>();
  #asked = 0;
  #notBeforeMs = 0;

  constructor(deps: RestoreDeps) {
    this.#deps = deps;
    this.#count = deps.metrics.counter("petrel_sessions_restored_total", "Sessions put back after the store lost them");
  }

  /** Channels that wait for their session. */
  get size(): number {
    return this.#due.size;
  }

  /** Channels whose login is under way wait for its answer. */
  add(channels: Iterable<ClientChannel>): void {
    for (const channel of channels) {
      if (channel.about && !channel.kim && (channel.state === "open" || channel.state === "login")) {
        this.#due.add(channel);
      }
    }
  }

  forget(channel: ClientChannel): void {
    this.#due.delete(channel);
  }

  tick(nowMs: number): void {
    if (this.#due.size === 0) return;
    while (this.#asked < MOST_ASKED && nowMs >= this.#notBeforeMs) {
      const batch = this.#next();
      const link = batch.find(isUsable)?.link;
      if (!link) return; // no server is there for them
      for (const channel of batch) this.#due.delete(channel);
      this.#ask(batch, link);
    }
  }

  #next(): ClientChannel[] {
    const batch: ClientChannel[] = [];
    for (const channel of this.#due) {
      if (channel.state === "login") continue;
      if (channel.state !== "open") {
        this.#due.delete(channel);
        continue;
      }
      batch.push(channel);
      if (batch.length === PAGES.restore) break;
    }
    return batch;
  }

  #ask(batch: readonly ClientChannel[], link: Uplink): void {
    const { asks, gateId } = this.#deps;
    const sessions = batch.flatMap((channel) => channel.about ? [sessionOf(channel, channel.about, gateId)] : []);
    this.#asked++;
    asks.ask(link, "im.restore", encodeBody(pkt.RestoreReq, { sessions }), (answer) => {
      this.#asked--;
      const outcome = decoded(EMPTY, answer);
      const there = batch.filter(({ state }) => state === "open");
      if (outcome instanceof ImError) return this.#failed(there, outcome);
      this.#count.inc(there.length);
      this.#deps.restored(there);
    });
  }

  #failed(channels: readonly ClientChannel[], error: ImError): void {
    const { clock, log } = this.#deps;
    if (this.#notBeforeMs <= clock.mono()) log.info("sessions could not be put back yet", { error });
    this.#notBeforeMs = clock.mono() + PAUSE_MS;
    for (const channel of channels) this.#due.add(channel);
  }
}

function sessionOf(
  { id: channelId, app, account, device, content, generation }: ClientChannel,
  about: ClientAbout,
  gateId: string,
): pkt.Session {
  return { channelId, gateId, app, account, device, content, generation, ...about, cursor: 0, epoch: "" };
}

/** KIM's chat servers know no such command. */
function isUsable({ link, kim }: ClientChannel): boolean {
  return link?.state === "open" && !kim;
}
