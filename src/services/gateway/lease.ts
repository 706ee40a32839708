import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import { type Claim, GATEWAY_LEASE, gatewayLease, type Leases } from "../../session/leases.ts";

/** What a gateway hears of its lease. */
export interface LeaseEvents {
  /** This process stood still for longer than the lease: others may have taken its channels' devices. */
  fenced(): void;
  /** It had lapsed while the store was out of reach, or vanished: the store has lost sessions, and pushes did not come. */
  lapsed(): void;
  /** It is held, but whether it was all the time is not known. */
  unsure(): void;
}

/** How often it is looked whether to ask: after a failure it is asked each time. */
const TURN_MS = 1_000;
/** Questions under way; the store ends them. */
const MOST_ASKED = 3;

/**
 * The lease of one run of a gateway, asked for again and again. Only monotonic time counts: the wall clock may jump.
 *
 *   never ──made──► held ──kept──► held
 *                    │ └─ made, after this process stood still ──► fenced, then held
 *                    └─── made, although it asked in time ───────► lapsed, then held
 */
export class GatewayLease implements Disposable {
  readonly #leases: Leases;
  readonly #incarnation: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #events: LeaseEvents;
  readonly #timer: { stop(): void };
  /** When the last question was due. */
  #turnMs: number;
  #underWay = 0;
  /** Sent at this time, the last question that was answered well. */
  #heldMs = -Infinity;
  #failures = 0;
  /** When it was noticed that the process had stood still; answers to older questions say nothing. */
  #stalledMs: number | undefined;
  /** A question made it anew, also one whose answer says nothing else. */
  #made = false;
  #problem: string | undefined = "the gateway has no lease yet";

  constructor(
    leases: Leases,
    incarnation: string,
    { clock, log }: { readonly clock: Clock; readonly log: Logger },
    events: LeaseEvents,
  ) {
    this.#leases = leases;
    this.#incarnation = incarnation;
    this.#clock = clock;
    this.#log = log;
    this.#events = events;
    this.#turnMs = clock.mono();
    this.#timer = clock.every(TURN_MS, () => this.#turn());
    void this.#ask(this.#turnMs);
  }

  /** Why the gateway never had its lease; undefined: it had, and keeps its channels whatever comes. */
  get problem(): string | undefined {
    return this.#heldMs === -Infinity ? this.#problem : undefined;
  }

  /** Is it certainly held now? */
  get held(): boolean {
    return this.#clock.mono() < this.#heldMs + GATEWAY_LEASE.ttlMs;
  }

  /** A session is not where it was, the store may have lost everything: asks at once, at most once a second. */
  doubt(): void {
    const now = this.#clock.mono();
    const sinceMs = now - this.#turnMs;
    if (sinceMs < TURN_MS || sinceMs >= GATEWAY_LEASE.ttlMs) return; // a standstill is for `#turn` to see
    this.#turnMs = now;
    if (this.#underWay < MOST_ASKED) void this.#ask(now);
  }

  /** Asks no more and gives it back. Never rejects. */
  async release(): Promise<void> {
    this[Symbol.dispose]();
    await this.#leases.release(gatewayLease(this.#incarnation), this.#incarnation).catch((thrown) => {
      this.#log.info("the lease was not given back, it ends by itself", { error: ImError.from(thrown) });
    });
  }

  [Symbol.dispose](): void {
    this.#timer.stop();
  }

  #turn(): void {
    const now = this.#clock.mono();
    const sinceMs = now - this.#turnMs;
    if (sinceMs >= GATEWAY_LEASE.ttlMs) this.#stalledMs = now;
    else if (this.#failures === 0 && sinceMs < GATEWAY_LEASE.everyMs) return;
    this.#turnMs = now;
    if (this.#underWay < MOST_ASKED) void this.#ask(now);
  }

  async #ask(sentMs: number): Promise<void> {
    this.#underWay++;
    try {
      const { ttlMs } = GATEWAY_LEASE;
      const claim = await this.#leases.claim(gatewayLease(this.#incarnation), this.#incarnation, ttlMs);
      if (claim === "taken") this.#taken();
      else this.#held(claim, sentMs);
    } catch (thrown) {
      this.#failed(ImError.from(thrown));
    } finally {
      this.#underWay--;
    }
  }

  #held(claim: Claim, sentMs: number): void {
    const isFirst = this.#heldMs === -Infinity;
    const hadEnded = sentMs - this.#heldMs >= GATEWAY_LEASE.ttlMs;
    const wasStalled = this.#stalledMs !== undefined;
    if (sentMs > this.#heldMs) this.#heldMs = sentMs;
    this.#made ||= claim === "made";
    if (wasStalled && sentMs < this.#stalledMs!) return;
    const failures = this.#failures, made = this.#made;
    this.#failures = 0;
    this.#made = false;
    this.#stalledMs = undefined;
    if (failures > 0) this.#log.info("the session store answers again", { failures });
    if (isFirst) return;
    // A question that failed may have made it, and the next one found it kept.
    if (made || (failures > 0 && hadEnded)) {
      this.#log.warn(
        wasStalled
          ? "the lease ended while this process stood still: clients are told to come again"
          : "the lease had ended: sessions are put back",
        {},
      );
      if (wasStalled) this.#events.fenced();
      else this.#events.lapsed();
    } else if (failures > 0) this.#events.unsure();
  }

  #failed(error: ImError): void {
    this.#problem = "the session store is out of reach";
    if (this.#failures++ === 0) this.#log.warn("the lease could not be renewed", { error });
  }

  #taken(): void {
    this.#problem = "another process has this gateway's lease: give each run its own incarnation";
    if (this.#failures++ === 0) this.#log.error("another process has this gateway's lease", {});
  }
}
