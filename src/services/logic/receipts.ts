import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Histogram, Metrics } from "../../base/metrics.ts";
import type { CommandContext } from "../../command/context.ts";
import type { ReceiptNumbers } from "../../container/dispatch.ts";
import type * as pkt from "../../protocol/gen/pkt_messages.ts";
import type { LogicDeps } from "./deps.ts";

/** One push packet in so many is confirmed, and every kick-out. */
const ONE_IN = 64;
/** Receipts that are waited for; more pushes are not confirmed until some came, or are late. */
const MOST = 10_000;
/** A receipt that has not come by then never will. */
const LATE_MS = 30_000;
/** Channels in one receipt: more than a push can name. */
const MOST_CHANNELS = 65_536;

interface Waiting {
  readonly gateId: string;
  readonly sentMs: number;
}

/** Pushes that gateways are to confirm: how long they take is measured. */
export class Receipts implements ReceiptNumbers {
  readonly #clock: Clock;
  readonly #seconds: Histogram;
  /** By number, in the order they were sent. */
  readonly #waiting = new Map<number, Waiting>();
  #pushes = 0;
  #last = 0;

  constructor(clock: Clock, metrics: Metrics) {
    this.#clock = clock;
    this.#seconds = metrics.histogram("petrel_receipt_seconds", "From a push to its gateway's receipt");
  }

  get size(): number {
    return this.#waiting.size;
  }

  next(gateId: string, command: string): number | undefined {
    // hot: per push packet
    if (++this.#pushes % ONE_IN !== 0 && command !== "login.signin") return undefined;
    const sentMs = this.#clock.mono();
    this.#forgetLate(sentMs);
    if (this.#waiting.size >= MOST) return undefined;
    this.#last = (this.#last + 1) >>> 0 || 1;
    this.#waiting.set(this.#last, { gateId, sentMs });
    return this.#last;
  }

  /** A gateway confirmed a push. An unknown number, or another gateway's, is not counted. */
  came(id: number, gateId: string): void {
    const waiting = this.#waiting.get(id);
    if (waiting?.gateId !== gateId) return;
    this.#waiting.delete(id);
    this.#seconds.observe((this.#clock.mono() - waiting.sentMs) / 1000);
  }

  #forgetLate(nowMs: number): void {
    for (const [id, { sentMs }] of this.#waiting) {
      if (nowMs - sentMs < LATE_MS) return;
      this.#waiting.delete(id);
    }
  }
}

/** im.receipt: a push arrived; the sessions of the channels that are gone end. */
export function receipt(deps: Pick<LogicDeps, "sessions">, receipts: Receipts) {
  return async (ctx: CommandContext, request: pkt.Receipt): Promise<Record<string, never>> => {
    receipts.came(request.id, ctx.gateId);
    if (request.gone.length > MOST_CHANNELS) {
      throw new ImError("INVALID_BODY", "Cannot take a receipt: too many channels");
    }
    await Promise.all(request.gone.map((channelId) => deps.sessions.end(channelId)));
    return {};
  };
}
