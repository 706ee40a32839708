import { Histogram } from "./histogram.ts";
import type { HistoryEvent } from "./history.ts";
import type { Timeline } from "./timeline.ts";

/** Counts what a history tells, and how long answers and pushes took. Keeps only what is on its way. */
export class HistoryMeter {
  sent = 0;
  acked = 0;
  refused = 0;
  unanswered = 0;
  shown = 0;
  /** From a message's (first) send to its answer, and to its first screen; microseconds. */
  readonly sendToAck = new Histogram();
  readonly sendToPush = new Histogram();
  readonly #ackNow: Histogram | undefined;
  readonly #pushNow: Histogram | undefined;
  readonly #attempts = new Map<number, number>();
  readonly #messages = new Map<string, number>();

  constructor(timeline: Timeline | undefined) {
    timeline?.rate("Messages", "per second", "sent", () => this.sent);
    timeline?.rate("Messages", "per second", "durable", () => this.acked);
    timeline?.rate("Messages", "per second", "shown", () => this.shown);
    this.#ackNow = timeline?.latency("Send to ack");
    this.#pushNow = timeline?.latency("Send to push");
  }

  record(event: HistoryEvent): void {
    if (event.event === "send") {
      this.sent++;
      this.#attempts.set(event.attempt, event.at);
      if (!this.#messages.has(event.id)) this.#messages.set(event.id, event.at);
    } else if (event.event === "ack" || event.event === "no answer") {
      const at = this.#attempts.get(event.attempt);
      this.#attempts.delete(event.attempt);
      if (event.event === "no answer") this.unanswered++;
      else if (event.status !== 0) this.refused++;
      else {
        this.acked++;
        if (at !== undefined) note(event.at - at, this.sendToAck, this.#ackNow);
      }
    } else if (event.event === "screen") {
      this.shown++;
      const at = this.#messages.get(event.id);
      this.#messages.delete(event.id);
      if (at !== undefined) note(event.at - at, this.sendToPush, this.#pushNow);
    }
  }
}

function note(ms: number, ...histograms: (Histogram | undefined)[]): void {
  for (const histogram of histograms) histogram?.record(ms * 1000);
}
