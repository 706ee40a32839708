import type { Counter, Metrics } from "../../base/metrics.ts";
import { commandOf } from "../../protocol/commands.ts";
import { statusName } from "../../protocol/status.ts";

/** The gateway's counters. Client text never becomes a label: unknown commands count as "other". */
export class GatewayMetrics {
  readonly #metrics: Metrics;
  readonly #packets = new Map<string, Counter>();
  readonly #replies = new Map<string, Counter>();
  readonly badPackets: Counter;
  readonly pushes: Counter;
  readonly pushedToGone: Counter;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.badPackets = metrics.counter("petrel_bad_packets_total", "Frames after login that were no packet");
    this.pushes = metrics.counter("petrel_pushes_total", "Pushes that came from logic servers, per receiving channel");
    this.pushedToGone = metrics.counter("petrel_pushes_gone_total", "Pushes for channels that are gone");
  }

  /** A logic packet came from a client. */
  packet(command: string): void {
    const label = commandOf(command) ? command : "other";
    let counter = this.#packets.get(label);
    if (!counter) {
      counter = this.#metrics.counter("petrel_packets_total", "Packets from clients", { command: label });
      this.#packets.set(label, counter);
    }
    counter.value++;
  }

  /** A reply left for a client. */
  reply(status: number): void {
    const label = statusName(status) ?? "OTHER";
    let counter = this.#replies.get(label);
    if (!counter) {
      counter = this.#metrics.counter("petrel_replies_total", "Replies to clients by status", { status: label });
      this.#replies.set(label, counter);
    }
    counter.value++;
  }

  login(outcome: string): void {
    this.#metrics.counter("petrel_logins_total", "Logins by outcome", { outcome }).inc();
  }
}
