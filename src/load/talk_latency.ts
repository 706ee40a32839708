import { Histogram } from "./histogram.ts";
import type { TalkCounts } from "./talk_counts.ts";
import type { Timeline } from "./timeline.ts";

/** How long messages of a run took, microseconds: of its measured time, and second by second for a report. */
export class TalkLatency {
  /** Intended (open loop) or real (closed loop) send time to the sender's answer, Success only. */
  readonly sendToAck = new Histogram();
  /** The same to the arrival at the receiver. */
  readonly sendToPush = new Histogram();
  /** Open loop: how late this client wrote, which is the client's own share. */
  readonly sendDelay = new Histogram();
  readonly #ackNow: Histogram | undefined;
  readonly #pushNow: Histogram | undefined;

  constructor(counts: TalkCounts, timeline: Timeline | undefined) {
    timeline?.rate("Messages", "per second", "sent", () => counts.sent);
    timeline?.rate("Messages", "per second", "stored", () => counts.stored);
    timeline?.rate("Messages", "per second", "pushed", () => counts.pushed);
    this.#ackNow = timeline?.latency("Send to ack");
    this.#pushNow = timeline?.latency("Send to push");
  }

  /** An answer came. `measured`: it counts beyond its second. */
  // hot: per answer
  acked(us: number, measured: boolean): void {
    if (measured) this.sendToAck.record(us);
    this.#ackNow?.record(us);
  }

  /** A push came. */
  // hot: per push
  arrived(us: number, measured: boolean): void {
    if (measured) this.sendToPush.record(us);
    this.#pushNow?.record(us);
  }
}
