// A little over 300 lines: one state machine, kept in one piece so that its states can be read together.
/** What a sequencer asks of its owner. `channel` is whatever the owner gave, so that one port serves all channels. */
export interface SequencerPort<C> {
  /** Puts the packet into the channel's queue. */
  write(channel: C, packet: Sequenced, pos: number): void;
  /** Asks the store for positions (after, upTo]; the answer comes through `filled` or `fillFailed`. */
  fill(channel: C, after: number, upTo: number): void;
  /** An old client has no index and cannot have one now: going live would leave a hole behind its next ack. */
  giveUp(channel: C): void;
  /** A push came that is not above the cursor: it was filled already, or the inbox was put back to an older state. */
  below?(channel: C): void;
  /** The channel waits for a deadline: call `expire` when `deadlineMs` has passed. */
  wait(channel: C): void;
}

/** A packet that stands for one inbox position. Shared by all channels it goes to. */
export interface Sequenced {
  readonly bytes: number;
}

export const SEQUENCER = {
  holdPackets: 64,
  holdBytes: 32 << 10,
  holdMs: 200,
  /** After login an old client has this long to ask for its index before pushes go through. */
  loginQuietMs: 300,
  /** From an index page on, the next request may take this long. */
  indexQuietMs: 3_000,
  /** The web SDK throws an answer away that comes later. */
  indexAnswerMs: 5_000,
} as const;

/** What a fill brought. Rows ascend; without a packet the channel is not to be shown the row. */
export interface Filled {
  /** The position the fill started from. */
  readonly after: number;
  readonly rows: readonly { readonly pos: number; readonly packet: Sequenced | undefined }[];
  /** All positions up to here were looked at. */
  readonly scannedTo: number;
}

const NOT_ASKED = -1;

interface Held {
  readonly pos: number;
  /** Undefined: this position was answered by a reply, nothing is to be written for it. */
  readonly packet: Sequenced | undefined;
}

/**
 * Promise 4: a channel is a cursor over its account's inbox. Every packet says which position it stands for:
 *
 *   next  → write        not above → drop        above → hold, then fill the range from the store
 *
 *   starting ──open()──► live ◄───────────────┐
 *   (holds)  ──sync()──► syncing ──endSync()──┘     syncing: old clients page their index; pushes are dropped
 *                           ▲ live ──sync()──┘      and fetched from where the index ended
 *
 * So what a channel is sent follows its inbox without holes, whichever logic servers the packets came through.
 * A packet without a position (0) is written at once. Pure: time and writing are handed in.
 */
export class Sequencer<C> {
  /** The last position this channel was given, by push, reply or index. */
  cursor = 0;
  /** When `expire` must be called, monotonic ms; Infinity: not. */
  deadlineMs = Infinity;
  #state: "starting" | "syncing" | "live" = "starting";
  #held: Held[] | undefined;
  #heldBytes = 0;
  /** Positions above the cursor that are known to exist but are not held: they must be filled. */
  #wanted = 0;
  /** Where the fill that is under way starts; NOT_ASKED: none is. */
  #asked = NOT_ASKED;
  /** Is an index request under way? */
  #asking = false;
  /** Has an index page been written since the channel is syncing? */
  #paged = false;
  /** Has an index been paged to its end (or given up) on this connection? */
  #indexed = false;
  /** Did the first paging end without its empty page, so that pushes bring what was left of it? */
  #cutShort = false;
  readonly #channel: C;
  readonly #port: SequencerPort<C>;

  constructor(channel: C, port: SequencerPort<C>) {
    this.#channel = channel;
    this.#port = port;
  }

  get state(): "starting" | "syncing" | "live" {
    return this.#state;
  }

  /** The highest position known to exist. */
  get known(): number {
    return Math.max(this.cursor, this.#wanted, lastOf(this.#held));
  }

  get heldPackets(): number {
    return this.#held?.length ?? 0;
  }

  get filling(): boolean {
    return this.#asked !== NOT_ASKED;
  }

  /** The login was answered: what stands above `cursor` goes out from now on; `head` is known to exist. */
  open(cursor: number, head: number): void {
    this.#goLive(cursor, head);
  }

  /** An old client logged in, or asks for its index: pushes are dropped until `endSync` or for `quietMs`. */
  sync(nowMs: number, quietMs: number): void {
    this.#state = "syncing";
    this.#asked = NOT_ASKED;
    this.#dropHeld();
    this.deadlineMs = nowMs + quietMs;
    this.#port.wait(this.#channel);
  }

  /**
   * An index page was written that covers every position up to `scannedTo`. The first index of a connection says
   * where the client really is, which may be before the head at login; later ones only move forward.
   */
  page(scannedTo: number): void {
    this.#asking = false;
    if (this.#state !== "syncing") return;
    if (this.cursor > this.#wanted) this.#wanted = this.cursor;
    if (!this.#indexed || scannedTo > this.cursor) this.cursor = scannedTo;
    this.#paged = true;
  }

  /** An old client asks for its index: pushes are dropped until it is answered. */
  index(nowMs: number): void {
    this.sync(nowMs, SEQUENCER.indexAnswerMs);
    this.#asking = true;
  }

  /**
   * The index could not be had. A client that has no page yet would go on without one, and its next ack would pass over
   * what it never saw: it has to come again. One that has pages goes on from the last.
   */
  indexFailed(): void {
    this.#asking = false;
    if (!this.#paged && !this.#indexed) this.#port.giveUp(this.#channel);
    else this.#cut();
  }

  /**
   * The first paging did not get to its empty page, and pushes bring the rest. True once: what the client is answered to
   * its next index request, or late to its last, is an empty page, or it would be sent messages twice.
   */
  takeCutShort(): boolean {
    const was = this.#cutShort;
    this.#cutShort = false;
    return was;
  }

  /** The empty page came: what lies above the cursor is filled, then the channel is live. */
  endSync(): void {
    if (this.#state !== "syncing") return;
    if (this.#paged) this.#indexed = true;
    this.#goLive(this.cursor, 0);
  }

  /** A push for `pos` (0: stands for no position). */
  offer(pos: number, packet: Sequenced, nowMs: number): void {
    if (pos === 0) return this.#port.write(this.#channel, packet, 0);
    if (this.#state === "syncing") {
      if (pos > this.#wanted) this.#wanted = pos;
      return;
    }
    if (this.#state === "live") {
      if (pos <= this.cursor) return this.#port.below?.(this.#channel);
      if (pos === this.cursor + 1) {
        this.cursor = pos;
        this.#port.write(this.#channel, packet, pos);
        if (this.#held) this.#release(nowMs);
        return;
      }
    }
    this.#hold({ pos, packet }, packet.bytes, nowMs);
  }

  /** A reply was written that stands for `pos`: nothing else needs to be sent for it. */
  answered(pos: number, nowMs: number): void {
    if (pos === 0 || pos <= this.cursor && this.#state !== "starting") return;
    if (this.#state === "live" && pos === this.cursor + 1) {
      this.cursor = pos;
      if (this.#held) this.#release(nowMs);
    } else if (this.#state === "syncing") {
      if (pos > this.#wanted) this.#wanted = pos;
    } else {
      this.#hold({ pos, packet: undefined }, 0, nowMs);
    }
  }

  /** The store says how far the inbox goes: a tail that was lost is noticed here. */
  head(pos: number): void {
    if (pos <= this.cursor) return;
    if (pos > this.#wanted) this.#wanted = pos;
    if (this.#state === "live" && !this.filling) this.#askFill();
  }

  /** The answer to a fill. */
  filled(fill: Filled, nowMs: number): void {
    if (fill.after !== this.#asked) return; // asked before an index began; that one covers these rows or asks again
    this.#asked = NOT_ASKED;
    const before = this.cursor;
    for (const row of fill.rows) {
      if (row.pos <= this.cursor) continue;
      this.cursor = row.pos;
      // A position answered by a reply is in the hold list without a packet: the client has it.
      if (row.packet && !this.#isAnswered(row.pos)) this.#port.write(this.#channel, row.packet, row.pos);
    }
    if (fill.scannedTo > this.cursor) this.cursor = fill.scannedTo;
    this.#release(nowMs);
    if (this.filling || (!this.#held && this.#wanted <= this.cursor)) return;
    // The page was cut short, or there is another gap: go on at once as long as there is progress.
    if (this.cursor > before) this.#askFill();
    else this.#retry(nowMs);
  }

  /** The fill could not be had: try again later. */
  fillFailed(after: number, nowMs: number): void {
    if (after !== this.#asked) return;
    this.#asked = NOT_ASKED;
    this.#retry(nowMs);
  }

  /** `deadlineMs` has passed. */
  expire(): void {
    this.deadlineMs = Infinity;
    if (this.#state === "syncing" && this.#asking) this.indexFailed();
    else if (this.#state === "syncing") this.#cut();
    else if (this.#state === "live" && !this.filling && (this.#held || this.#wanted > this.cursor)) this.#askFill();
  }

  #cut(): void {
    if (this.#state === "syncing" && this.#paged && !this.#indexed) this.#cutShort = true;
    this.endSync();
  }

  #retry(nowMs: number): void {
    this.deadlineMs = nowMs + SEQUENCER.holdMs;
    this.#port.wait(this.#channel);
  }

  #goLive(cursor: number, head: number): void {
    this.#state = "live";
    this.cursor = cursor;
    this.deadlineMs = Infinity;
    if (head > this.#wanted) this.#wanted = head;
    if (this.#held) this.#release(-Infinity);
    if (this.#wanted > this.cursor && !this.filling) this.#askFill();
  }

  #hold(one: Held, bytes: number, nowMs: number): void {
    const held = this.#held ??= [];
    if (held.length >= SEQUENCER.holdPackets || this.#heldBytes + bytes > SEQUENCER.holdBytes) {
      if (one.pos > this.#wanted) this.#wanted = one.pos;
      if (this.#state === "live" && !this.filling) this.#askFill();
      return;
    }
    let at = held.length;
    while (at > 0 && held[at - 1]!.pos > one.pos) at--;
    if (at > 0 && held[at - 1]!.pos === one.pos) return;
    held.splice(at, 0, one);
    this.#heldBytes += bytes;
    if (this.#state === "live" && !this.filling && this.deadlineMs === Infinity) {
      this.#retry(nowMs);
    }
  }

  /** Writes what has become next; what is still behind a gap waits for its deadline. */
  #release(nowMs: number): void {
    const held = this.#held;
    if (!held) return;
    let taken = 0;
    while (taken < held.length && held[taken]!.pos <= this.cursor + 1) {
      const one = held[taken++]!;
      if (one.packet) this.#heldBytes -= one.packet.bytes;
      if (one.pos <= this.cursor) continue;
      this.cursor = one.pos;
      if (one.packet) this.#port.write(this.#channel, one.packet, one.pos);
    }
    if (taken === held.length) {
      this.#dropHeld();
      // Positions that were never held may still be missing: their deadline stays, or is made.
      if (this.#wanted <= this.cursor) this.deadlineMs = Infinity;
      else if (!this.filling && this.deadlineMs === Infinity && nowMs !== -Infinity) this.#retry(nowMs);
      return;
    }
    held.splice(0, taken);
    if (this.filling) return;
    if (nowMs === -Infinity) this.#askFill();
    else if (taken > 0 || this.deadlineMs === Infinity) {
      this.#retry(nowMs);
    }
  }

  /** The gap up to the first held packet, or everything up to what is known to exist. */
  #askFill(): void {
    const first = this.#held?.find((one) => one.packet)?.pos;
    const upTo = first !== undefined
      ? Math.max(first - 1, this.cursor + 1)
      : Math.max(this.#wanted, lastOf(this.#held));
    if (upTo <= this.cursor) return;
    this.#asked = this.cursor;
    this.deadlineMs = Infinity;
    this.#port.fill(this.#channel, this.cursor, upTo);
  }

  #isAnswered(pos: number): boolean {
    return this.#held?.some((one) => one.pos === pos && !one.packet) ?? false;
  }

  #dropHeld(): void {
    for (const one of this.#held ?? []) if (one.pos > this.#wanted && one.packet) this.#wanted = one.pos;
    this.#held = undefined;
    this.#heldBytes = 0;
  }
}

function lastOf(held: readonly Held[] | undefined): number {
  return held && held.length > 0 ? held[held.length - 1]!.pos : 0;
}
