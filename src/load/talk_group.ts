import { Ledger, SEEN } from "./ledger.ts";
import { FLAG, PacketScan, PushScan } from "./packet.ts";
import { count, TalkCounts } from "./talk_counts.ts";
import { TalkLatency } from "./talk_latency.ts";
import { SEQUENCE, Stamp, type TalkTemplate } from "./talk_template.ts";
import type { Timeline } from "./timeline.ts";
import type { WireConn, WireSink } from "./wire_conn.ts";

/** Above this many bytes that the kernel did not take, a sender waits; its messages keep their intended times. */
const BLOCKED_BYTES = 256 << 10;

/** What a group of senders does. Times are microseconds since the start of sending. */
export interface TalkPlan {
  /** Messages per second of all senders together, evenly spaced; 0: closed loop. */
  readonly rate: number;
  /** Closed loop: messages in flight per sender. */
  readonly window: number;
  readonly bodyBytes: number;
  /** Latencies count from here… */
  readonly warmupUs: number;
  /** …to here, where sending ends. */
  readonly endUs: number;
}

/** One measured run of senders and receivers, counted exactly. What each count means is said in `TalkCounts`. */
export class TalkGroup {
  readonly plan: TalkPlan;
  readonly counts = new TalkCounts();
  readonly latency: TalkLatency;
  readonly senders: Sender[] = [];
  readonly receivers: Receiver[] = [];
  /** Microseconds of the present event; set at the begin of every read and tick. */
  nowUs = 0;
  #startMs = Infinity;
  #stopped = false;

  constructor(plan: TalkPlan, timeline?: Timeline) {
    this.plan = plan;
    this.latency = new TalkLatency(this.counts, timeline);
  }

  /** The clock of this run starts now. In a closed loop the first windows leave at once. */
  start(): void {
    this.#startMs = performance.now();
    this.nowUs = 0;
    if (this.plan.rate === 0) { for (const sender of this.senders) sender.sendNow(this.plan.window); }
  }

  /** Nothing is written any more, also not what is overdue. */
  stop(): void {
    this.#stopped = true;
  }

  /** Reads the clock into `nowUs`. */
  look(): void {
    this.nowUs = Math.max(0, Math.round((performance.now() - this.#startMs) * 1000));
  }

  /** Open loop: writes what is due, one write per sender. Closed loop: nothing to do. */
  // hot: per millisecond
  tick(): void {
    this.look();
    if (this.plan.rate === 0 || this.#stopped) return;
    const due = this.#dueAt(Math.min(this.nowUs, this.plan.endUs));
    const count = this.senders.length;
    for (let i = 0; i < count; i++) this.senders[i]!.sendUpTo(Math.floor((due - i + count - 1) / count));
  }

  /** How many messages should have been sent by now. */
  get due(): number {
    return this.plan.rate === 0 ? this.counts.sent : this.#dueAt(Math.min(this.nowUs, this.plan.endUs));
  }

  /** How many messages are sent when the time is up. */
  get total(): number {
    return this.plan.rate === 0 ? this.counts.sent : this.#dueAt(this.plan.endUs);
  }

  /** Closed loop: true until the end. */
  get sending(): boolean {
    return !this.#stopped && this.nowUs < this.plan.endUs;
  }

  /** Everything was sent, answered, and pushed if stored. */
  get settled(): boolean {
    const { sent, stored, refused, storedAndPushed } = this.counts;
    return sent >= this.total && stored + refused === sent && storedAndPushed === stored;
  }

  /** When message `counter` of sender `index` is meant to leave. */
  intendedUs(index: number, counter: number): number {
    return (counter * this.senders.length + index) * 1e6 / this.plan.rate;
  }

  #dueAt(us: number): number {
    const total = Math.floor(this.plan.endUs * this.plan.rate / 1e6);
    return Math.min(total, Math.floor(us * this.plan.rate / 1e6) + 1);
  }

  measured(us: number): boolean {
    return us >= this.plan.warmupUs && us < this.plan.endUs;
  }
}

const scratch = new Uint8Array(256 << 10);
const packet = new PacketScan();
const push = new PushScan();
const stamp = new Stamp();

/** A connection that talks to one receiver. */
export class Sender implements WireSink {
  readonly ledger = new Ledger();
  /** Highest counter its receiver has seen. */
  lastPushed = -1;
  sent = 0;
  readonly #group: TalkGroup;
  readonly #index: number;
  readonly receiver: Receiver;
  #conn: WireConn | undefined;
  #template: TalkTemplate | undefined;
  #owed = 0;
  /** Closed loop: when each message in flight left, by counter modulo the size. */
  readonly #sentAt: Float64Array;
  readonly #sentWhat: Float64Array;

  constructor(group: TalkGroup, index: number, receiver: Receiver) {
    this.#group = group;
    this.#index = index;
    this.receiver = receiver;
    const size = group.plan.rate === 0 ? 4 * group.plan.window : 0;
    this.#sentAt = new Float64Array(size);
    this.#sentWhat = new Float64Array(size).fill(-1);
  }

  /** The connection is logged in; from now on it may send. */
  ready(conn: WireConn, template: TalkTemplate): void {
    this.#conn = conn;
    this.#template = template;
  }

  sendUpTo(due: number): void {
    if (this.sent < due) this.#write(due - this.sent);
  }

  sendNow(count: number): void {
    this.#write(count);
  }

  // hot: per message
  #write(count: number): void {
    const conn = this.#conn!;
    const template = this.#template!;
    const group = this.#group;
    const open = group.plan.rate > 0;
    let at = 0;
    for (let i = 0; i < count; i++) {
      if (conn.closedWhy !== "" || (open && conn.waiting > BLOCKED_BYTES)) break;
      const counter = this.sent++;
      group.counts.sent++;
      let timeUs = group.nowUs;
      if (open) {
        timeUs = Math.round(group.intendedUs(this.#index, counter));
        if (group.measured(timeUs)) group.latency.sendDelay.record(group.nowUs - timeUs);
      } else {
        const slot = counter % this.#sentAt.length;
        this.#sentAt[slot] = timeUs;
        this.#sentWhat[slot] = counter;
      }
      at = template.write(scratch, at, SEQUENCE.FIRST + counter % SEQUENCE.COUNT, counter, timeUs);
      if (at + template.size > scratch.length) {
        conn.write(scratch.subarray(0, at));
        at = 0;
      }
    }
    if (at > 0) conn.write(scratch.subarray(0, at));
  }

  begin(): void {
    this.#group.look();
  }

  // hot: per answer
  packet(bytes: Uint8Array, start: number, end: number): void {
    const counts = this.#group.counts;
    if (!packet.scan(bytes, start, end)) return void counts.other++;
    if (packet.kind !== "talk" || packet.flag !== FLAG.RESPONSE) {
      if (packet.kind !== "pong") counts.other++;
      return;
    }
    const asked = (packet.sequence - SEQUENCE.FIRST + SEQUENCE.COUNT) % SEQUENCE.COUNT;
    const back = ((this.sent - asked) % SEQUENCE.COUNT + SEQUENCE.COUNT) % SEQUENCE.COUNT;
    const counter = this.sent - back;
    if (back === 0 || counter < 0) return void counts.stray++;
    if (packet.status === 0) this.#stored(counter);
    else this.#refused(counter, packet.status);
  }

  #stored(counter: number): void {
    const group = this.#group;
    const before = this.ledger.mark(counter, SEEN.ANSWERED);
    if ((before & SEEN.ANSWERED) !== 0) return void group.counts.stray++;
    group.counts.stored++;
    if ((before & SEEN.PUSHED) !== 0) group.counts.storedAndPushed++;
    this.#owed++;
    const now = group.nowUs;
    if (group.measured(now)) group.counts.storedMeasured++;
    const slot = counter % this.#sentAt.length;
    const open = group.plan.rate > 0;
    const sentUs = open ? group.intendedUs(this.#index, counter) : this.#sentAt[slot]!;
    if (open || this.#sentWhat[slot] === counter) group.latency.acked(now - sentUs, group.measured(sentUs));
  }

  #refused(counter: number, status: number): void {
    const counts = this.#group.counts;
    const before = this.ledger.mark(counter, SEEN.ANSWERED | SEEN.REFUSED);
    if ((before & SEEN.ANSWERED) !== 0) return void counts.stray++;
    counts.refused++;
    count(counts.refusedBy, status);
    if ((before & SEEN.PUSHED) !== 0) counts.phantom++;
    else if (counter < this.lastPushed) counts.missing--;
    this.#owed++;
  }

  done(): void {
    if (this.#owed > 0 && this.#group.plan.rate === 0 && this.#group.sending) this.#write(this.#owed);
    this.#owed = 0;
  }

  closed(why: string): void {
    count(this.#group.counts.closed, `sender: ${why}`);
  }
}

/** A connection that counts what it is sent. */
export class Receiver implements WireSink {
  /** Arrived and not acknowledged yet. */
  unacked = 0;
  lastArrivalUs = 0;
  lastAckUs = 0;
  /** Raw varint of the newest message id, and its length. */
  readonly lastId = new Uint8Array(10);
  lastIdLength = 0;
  conn: WireConn | undefined;
  readonly #group: TalkGroup;

  constructor(group: TalkGroup) {
    this.#group = group;
  }

  begin(): void {
    this.#group.look();
  }

  // hot: per push
  packet(bytes: Uint8Array, start: number, end: number): void {
    const counts = this.#group.counts;
    if (!packet.scan(bytes, start, end)) return void counts.other++;
    if (packet.kind !== "talk" || packet.flag !== FLAG.PUSH) {
      if (packet.kind === "other") counts.other++;
      return;
    }
    if (
      !push.scan(bytes, packet.bodyStart, packet.bodyEnd) || !stamp.read(bytes, push.textStart, push.textEnd) ||
      push.textEnd - push.textStart !== this.#group.plan.bodyBytes
    ) return void counts.phantom++;
    this.unacked++;
    this.lastArrivalUs = this.#group.nowUs;
    this.lastIdLength = Math.min(10, push.idEnd - push.idStart);
    for (let i = 0; i < this.lastIdLength; i++) this.lastId[i] = bytes[push.idStart + i]!;
    this.#count(this.#group.senders[stamp.sender], stamp.counter);
  }

  #count(sender: Sender | undefined, counter: number): void {
    const group = this.#group;
    const counts = group.counts;
    if (sender === undefined || sender.receiver !== this || counter >= sender.sent) return void counts.phantom++;
    const before = sender.ledger.mark(counter, SEEN.PUSHED);
    if ((before & SEEN.PUSHED) !== 0) return void counts.duplicates++;
    counts.pushed++;
    if ((before & SEEN.REFUSED) !== 0) counts.phantom++;
    else if ((before & SEEN.ANSWERED) !== 0) counts.storedAndPushed++;
    if (counter > sender.lastPushed) {
      for (let skipped = sender.lastPushed + 1; skipped < counter; skipped++) {
        if ((sender.ledger.get(skipped) & SEEN.REFUSED) === 0) counts.missing++;
      }
      sender.lastPushed = counter;
    } else {
      counts.outOfOrder++;
      if ((before & SEEN.REFUSED) === 0) counts.missing--;
    }
    group.latency.arrived(group.nowUs - stamp.timeUs, group.measured(stamp.timeUs));
  }

  closed(why: string): void {
    count(this.#group.counts.closed, `receiver: ${why}`);
  }
}
