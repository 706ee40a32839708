import type { Clock, Timer } from "./clock.ts";

/**
 * One thing with one deadline. Deadlines that only move away (nothing was read for two minutes) cost nothing to move:
 * keep the time of the last read in a field of your own, and when `expired` comes too early, `set` the next one.
 */
export abstract class Deadline {
  /** The wheel's own: when to wake it, and where it sits (`slot` is -1 when nowhere). */
  deadlineMs = 0;
  slot = -1;
  before: Deadline | undefined;
  after: Deadline | undefined;

  /** The deadline has come; it is out of the wheel and may be set again. Must not throw. */
  abstract expired(nowMs: number): void;
}

/**
 * All deadlines of one owner on one timer: setting, moving and removing are a few assignments, whatever their number.
 * Never early, up to two ticks late. Ticks only while something waits, so an empty wheel keeps no process alive.
 */
export class TimerWheel implements Disposable {
  /**
   * Monotonic, whole ms, as of the last tick: up to one tick old while something waits, else stale. A read of a
   * connection that waits here needs no better clock.
   */
  nowMs: number;
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #slots: (Deadline | undefined)[];
  /** Number of the last tick that was run. */
  #tick: number;
  #size = 0;
  #timer: Timer | undefined;

  /** Deadlines further away than `slots` ticks are looked at once per turn. */
  constructor(clock: Clock, tickMs = 100, slots = 2048) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#slots = new Array<Deadline | undefined>(slots).fill(undefined);
    this.nowMs = Math.floor(clock.mono());
    this.#tick = Math.floor(this.nowMs / tickMs);
  }

  /** How many deadlines wait. */
  get size(): number {
    return this.#size;
  }

  /** Puts it in, or moves it, by the exact time. */
  wakeIn(entry: Deadline, ms: number): void {
    this.set(entry, Math.ceil(this.#clock.mono()) + ms);
  }

  /** Puts it in, or moves it. `atMs` is monotonic, as `nowMs`. */
  set(entry: Deadline, atMs: number): void {
    if (this.#timer === undefined) this.#start();
    if (entry.slot !== -1) {
      const later = atMs >= entry.deadlineMs;
      entry.deadlineMs = atMs;
      if (later) return; // it is moved when its slot comes up
      this.#unlink(entry);
    } else {
      entry.deadlineMs = atMs;
    }
    this.#link(entry);
  }

  /** Takes it out. Harmless when it is not in. */
  remove(entry: Deadline): void {
    if (entry.slot !== -1) this.#unlink(entry);
  }

  /** Forgets all deadlines. */
  [Symbol.dispose](): void {
    for (const first of this.#slots) {
      for (let entry = first; entry !== undefined;) {
        const next = entry.after;
        this.#unlink(entry);
        entry = next;
      }
    }
    this.#stop();
  }

  #start(): void {
    this.nowMs = Math.floor(this.#clock.mono());
    this.#tick = Math.floor(this.nowMs / this.#tickMs);
    this.#timer = this.#clock.every(this.#tickMs, () => this.#turn());
  }

  #stop(): void {
    this.#timer?.stop();
    this.#timer = undefined;
  }

  #turn(): void {
    this.nowMs = Math.floor(this.#clock.mono());
    const last = Math.floor(this.nowMs / this.#tickMs);
    const from = Math.max(this.#tick + 1, last - this.#slots.length + 1); // after a long sleep: each slot once
    for (let tick = from; tick <= last; tick++) {
      this.#tick = tick;
      const at = tick % this.#slots.length;
      for (let entry = this.#slots[at]; entry !== undefined; entry = this.#slots[at]) {
        this.#unlink(entry);
        if (entry.deadlineMs <= this.nowMs) entry.expired(this.nowMs);
        else this.#link(entry); // never into this slot
      }
    }
    if (this.#size === 0) this.#stop();
  }

  #link(entry: Deadline): void {
    const ahead = Math.ceil(entry.deadlineMs / this.#tickMs) - this.#tick;
    const at = (this.#tick + Math.min(Math.max(ahead, 1), this.#slots.length - 1)) % this.#slots.length;
    const first = this.#slots[at];
    entry.slot = at;
    entry.before = undefined;
    entry.after = first;
    if (first !== undefined) first.before = entry;
    this.#slots[at] = entry;
    this.#size++;
  }

  #unlink(entry: Deadline): void {
    if (entry.before !== undefined) entry.before.after = entry.after;
    else this.#slots[entry.slot] = entry.after;
    if (entry.after !== undefined) entry.after.before = entry.before;
    entry.before = entry.after = undefined;
    entry.slot = -1;
    this.#size--;
  }
}
