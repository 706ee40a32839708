import { Counter, type Metrics } from "../base/metrics.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";

/** Counts of one server. A peer's own close codes and texts never become labels: they count as "other". */
export class ServerMetrics {
  readonly accepted: Counter;
  readonly refused: Counter;
  readonly #closes = new Map<CloseReason | undefined, Counter>();
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.accepted = metrics.counter("petrel_accepted_total", "Connections taken");
    this.refused = metrics.counter("petrel_connections_refused_total", "Connections closed at once for a limit");
  }

  closed(why: CloseReason): void {
    const row = ROWS.has(why) ? why : undefined;
    let counter = this.#closes.get(row);
    if (!counter) {
      const reason = row?.reason ?? "other";
      counter = this.#metrics.counter("petrel_closes_total", "Connections ended, by reason", { reason });
      this.#closes.set(row, counter);
    }
    counter.inc();
  }
}

const ROWS = new Set<CloseReason>(Object.values(CLOSE));
