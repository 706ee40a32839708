import { Backoff } from "../base/backoff.ts";
import { type Clock, sleep, type Timer } from "../base/clock.ts";
import { ImError, reasonOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import { MAX_NODE, type NodeNumber } from "../id/snowflake.ts";
import type { Leases } from "./leases.ts";

/** Numbers that only grow, by name, beside leases: how far a node's ids may have gone. */
export interface Marks {
  /** Raises it to `to`, unless it is above; gives what it was, 0 when it was never raised. @throws {ImError} SYSTEM */
  raise(name: string, to: number): Promise<number>;
}

export interface NodeLeaseOptions {
  readonly leases: Leases & Partial<Marks>;
  /** Unique to this run of the process. */
  readonly holder: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** From 0 up to, not including, 1. */
  readonly random: () => number;
}

/** How long a node number is leased for, and how often it is renewed at most. */
const TTL_MS = 600_000, EVERY_MS = 10_000;
/** After a renewal that had no answer. */
const RETRY = { baseMs: 500, maxMs: 4_000 };
/** A number whose ids may be so far ahead of our clock is passed over, until so many were. */
const AHEAD_MS = 5_000, MOST_PASSED = 64;

interface Held {
  readonly node: number;
  readonly afterMs: number;
  untilMs: number;
  /** Monotonic ms: what the last good renewal was good for, counted from before it was asked. */
  heldUntilMono: number;
}

/**
 * A node number for snowflakes that no other process has: the first free one from a random place on, leased for ten minutes and
 * renewed every few seconds. A lease that lapsed, or that another one has, is given up for a new number; until there is one no
 * ids are made. Whether it lapsed is told by the monotonic clock alone.
 *
 * `now` is the wall clock as it was at the last renewal, plus monotonic time: between renewals a jump is not seen, and one
 * back never. How far ids may go is marked in the store before they go there, so that whoever gets the number next starts
 * behind them, whatever its clock says.
 */
export class NodeLease implements NodeNumber, AsyncDisposable {
  readonly #options: NodeLeaseOptions;
  readonly #backoff: Backoff;
  #held: Held | undefined;
  /** The number that is tried first, the same until there is one: a claim without an answer may have taken it. */
  #first: number | undefined;
  #anchorMs: number;
  #anchorMono: number;
  #timer: Timer | undefined;
  #renewing: Promise<void> = Promise.resolve();
  #closed = false;
  #problem: string | undefined;
  #wantedMs = 0;
  #hurrying = false;
  readonly #lost = Promise.withResolvers<Error>();

  private constructor(options: NodeLeaseOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.random, RETRY);
    this.#anchorMs = options.clock.now();
    this.#anchorMono = options.clock.mono();
  }

  /** Takes a number; waits while the store is out of reach. @throws {ImError} CONFIG: all are taken. */
  static async open(options: NodeLeaseOptions): Promise<NodeLease> {
    const { clock, log } = options;
    const lease = new NodeLease(options);
    for (let tries = 0;; tries++) {
      try {
        await lease.#take();
        break;
      } catch (thrown) {
        const error = ImError.from(thrown);
        if (error.code === "CONFIG") throw error;
        if (tries === 0) log.warn("no node number yet: asking again until there is one", { why: error.message });
        await sleep(clock, 50 + lease.#backoff.next());
      }
    }
    lease.#backoff.reset();
    lease.#later(EVERY_MS);
    return lease;
  }

  /** Why no ids can be made; undefined: they can. */
  get problem(): string | undefined {
    return this.#valid() ? undefined : this.#problem ?? "the lease of its node number has ended";
  }

  get node(): number {
    // hot: per id
    if (!this.#valid()) throw new ImError("SYSTEM", `Cannot make id: ${this.problem}`);
    return this.#held!.node;
  }

  get afterMs(): number {
    return this.#held?.afterMs ?? 0;
  }

  get untilMs(): number {
    return this.#held?.untilMs ?? 0;
  }

  /** Milliseconds since 1970 that never go back. */
  now(): number {
    return this.#anchorMs + this.#options.clock.mono() - this.#anchorMono;
  }

  /** Marks further ahead at once, so that ids that went ahead of the clock can go on. */
  want(ms: number): void {
    if (ms <= this.#wantedMs && this.#hurrying) return;
    this.#wantedMs = Math.max(this.#wantedMs, ms);
    this.#hurrying = true;
    void this.#renewing.then(() => {
      this.#timer?.stop();
      this.#later(0);
    });
  }

  /** Resolves when the number it had first may not be used any more: for makers of ids in another thread. */
  get lost(): Promise<Error> {
    return this.#lost.promise;
  }

  /** Gives the number back. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.stop();
    await this.#renewing;
    const held = this.#held;
    this.#held = undefined;
    this.#problem = "it is closed";
    if (!held) return;
    const { leases, holder, log } = this.#options;
    await leases.release(nameOf(held.node), holder).catch((error) => {
      log.warn("node number not given back: free in 10 minutes", { node: held.node, error });
    });
  }

  #valid(): boolean {
    return this.#held !== undefined && this.#options.clock.mono() < this.#held.heldUntilMono;
  }

  #later(ms: number): void {
    if (this.#closed) return;
    const { clock, random } = this.#options;
    this.#timer = clock.after(ms * (0.5 + random() / 2), () => void (this.#renewing = this.#renew()));
  }

  /** Never rejects. */
  async #renew(): Promise<void> {
    const { leases, holder, clock, log } = this.#options;
    try {
      const held = this.#held;
      if (!held || !this.#valid()) {
        this.#lose("its lease has ended");
        await this.#take();
        log.warn("node number was lost: another one is used", { before: held?.node, node: this.#held!.node });
      } else {
        const askedMono = clock.mono();
        if (await leases.claim(nameOf(held.node), holder, TTL_MS) === "taken") {
          this.#lose(`another process has its node number ${held.node}`);
          log.warn("node number is taken by another process", { node: held.node });
          return this.#later(0);
        }
        await this.#reserve(held.node, (_before, untilMs) => held.untilMs = untilMs);
        held.heldUntilMono = askedMono + TTL_MS;
      }
      if (this.#problem !== undefined) log.info("node number is renewed again", { node: this.#held!.node });
      this.#problem = undefined;
      this.#backoff.reset();
      this.#later(EVERY_MS);
    } catch (thrown) {
      const why = reasonOf(thrown);
      if (this.#problem === undefined) log.warn("node number cannot be renewed", { why });
      this.#problem = why;
      // The next renewal may have no answer either.
      if (this.#held && this.#held.heldUntilMono - clock.mono() < 2 * EVERY_MS) this.#lost.resolve(new Error(why));
      this.#later(2 * Math.max(50, this.#backoff.next()));
    }
  }

  #lose(why: string): void {
    this.#held = undefined;
    this.#problem = why;
    this.#lost.resolve(new Error(why));
  }

  /** @throws {ImError} SYSTEM: the store is out of reach. CONFIG: all numbers are taken. */
  async #take(): Promise<void> {
    const { leases, holder, clock, random } = this.#options;
    const first = this.#first ??= Math.floor(random() * (MAX_NODE + 1));
    let passed = 0;
    for (let i = 0; i <= MAX_NODE; i++) {
      const node = (first + i) % (MAX_NODE + 1);
      const askedMono = clock.mono();
      if (await leases.claim(nameOf(node), holder, TTL_MS) === "taken") continue;
      const { beforeMs, untilMs } = await this.#reserve(node, (beforeMs, untilMs) => ({ beforeMs, untilMs }));
      if (beforeMs > this.now() + AHEAD_MS && passed++ < MOST_PASSED) {
        await leases.release(nameOf(node), holder);
        continue;
      }
      this.#first = undefined;
      this.#held = { node, afterMs: beforeMs, untilMs, heldUntilMono: askedMono + TTL_MS };
      return;
    }
    throw new ImError("CONFIG", `Cannot lease a node number: all ${MAX_NODE + 1} are taken`);
  }

  /** Marks how far ids may go from now on, and follows the wall clock forward. */
  async #reserve<T>(node: number, done: (beforeMs: number, untilMs: number) => T): Promise<T> {
    const { leases, clock } = this.#options;
    const wallMs = Math.max(this.now(), clock.now());
    const mono = clock.mono();
    const untilMs = Math.floor(Math.max(wallMs, this.#wantedMs)) + TTL_MS;
    this.#hurrying = false;
    const before = leases.raise ? await leases.raise(nameOf(node), untilMs) : 0;
    // Of this very process, renewing: what was marked before is its own.
    [this.#anchorMs, this.#anchorMono] = [wallMs, mono];
    return done(before, leases.raise ? untilMs : Infinity);
  }
}

function nameOf(node: number): string {
  return `node:${node}`;
}
