import { Deliveries } from "./deliveries.ts";
import { Histogram } from "./histogram.ts";
import { FLAG, PacketScan, PushScan } from "./packet.ts";
import { count } from "./talk_counts.ts";
import { SEQUENCE, Stamp, type TalkTemplate } from "./talk_template.ts";
import type { Timeline } from "./timeline.ts";
import type { WireConn, WireSink } from "./wire_conn.ts";

/** What the senders of a group do. Times are microseconds since the start of sending. */
export interface GroupPlan {
  /** Messages per second of all senders together, evenly spaced; 0: closed loop. */
  readonly rate: number;
  /** Closed loop: messages in flight per sender. */
  readonly window: number;
  readonly bodyBytes: number;
  /** Latencies and rates count from here… */
  readonly warmupUs: number;
  /** …to here, where sending ends. */
  readonly endUs: number;
}

const ANSWERED = 1;
const REFUSED = 2;
const packet = new PacketScan();
const push = new PushScan();
const stamp = new Stamp();
const scratch = new Uint8Array(16 << 10);

/** One measured run of a group's online members, every delivery counted. The first `senders` members send. */
export class GroupRun {
  readonly plan: GroupPlan;
  readonly members: Member[] = [];
  readonly deliveries = new Deliveries();
  readonly sendToAck = new Histogram();
  readonly sendToPush = new Histogram();
  readonly sendToOldPush = new Histogram();
  readonly senders: number;
  sent = 0;
  stored = 0;
  readonly refused: Map<number, number> = new Map();
  /** Answers to nothing that was asked, or answered twice. */
  stray = 0;
  /** Pushed though never sent, refused, or to the one who sent it. */
  phantom = 0;
  readonly closed: Map<string, number> = new Map();
  /** Inside the measured time. */
  storedMeasured = 0;
  deliveredMeasured = 0;
  nowUs = 0;
  #startMs = Infinity;
  readonly #ackNow: Histogram | undefined;
  readonly #pushNow: Histogram | undefined;

  constructor(plan: GroupPlan, senders: number, timeline?: Timeline) {
    this.plan = plan;
    this.senders = senders;
    timeline?.rate("Deliveries", "per second", "delivered", () => this.deliveries.delivered);
    timeline?.rate("Messages", "per second", "sent", () => this.sent);
    timeline?.rate("Messages", "per second", "stored", () => this.stored);
    this.#ackNow = timeline?.latency("Send to ack");
    this.#pushNow = timeline?.latency("Send to delivery");
  }

  start(): void {
    this.#startMs = performance.now();
    this.nowUs = 0;
    if (this.plan.rate === 0) { for (const member of this.#sending) member.send(this.plan.window); }
  }

  /** Reads the clock into `nowUs`. */
  look(): void {
    this.nowUs = Math.max(0, Math.round((performance.now() - this.#startMs) * 1000));
  }

  /** Open loop: writes what is due. */
  tick(): void {
    this.look();
    if (this.plan.rate === 0) return;
    const due = this.due;
    for (; this.sent < due;) this.members[this.sent % this.senders]!.send(1);
  }

  /** How many messages should have been sent by now; all of them, when the time is up. */
  get due(): number {
    if (this.plan.rate === 0) return this.sent;
    const { rate, endUs } = this.plan;
    return Math.min(Math.floor(endUs * rate / 1e6), Math.floor(this.nowUs * rate / 1e6) + 1);
  }

  get running(): boolean {
    return this.nowUs < this.plan.endUs;
  }

  measured(us: number): boolean {
    return us >= this.plan.warmupUs && us < this.plan.endUs;
  }

  get answered(): number {
    return this.#sending.reduce((n, member) => n + member.answers, 0);
  }

  /** Everything was answered, and what was stored reached everybody. */
  get settled(): boolean {
    return this.sent >= this.due && this.answered === this.sent &&
      this.deliveries.delivered >= this.stored * (this.members.length - 1);
  }

  /** Stored messages that a member was not sent, over all members. */
  get lost(): number {
    let lost = 0;
    this.#sending.forEach((sender, from) => {
      for (let counter = 0; counter < sender.sent; counter++) {
        if (!sender.isStored(counter)) continue;
        for (let to = 0; to < this.members.length; to++) {
          if (to !== from && !this.deliveries.has(to, from, counter)) lost++;
        }
      }
    });
    return lost;
  }

  // hot: per delivery
  arrived(member: Member): void {
    const sender = this.members[stamp.sender];
    if (
      sender === undefined || sender === member || stamp.counter >= sender.sent || sender.isRefused(stamp.counter)
    ) return void this.phantom++;
    this.deliveries.seen(member.index, stamp.sender, stamp.counter);
    if (this.measured(this.nowUs)) this.deliveredMeasured++;
    const us = this.nowUs - stamp.timeUs;
    if (this.measured(stamp.timeUs)) (member.old ? this.sendToOldPush : this.sendToPush).record(us);
    this.#pushNow?.record(us);
  }

  acked(us: number, sentUs: number): void {
    if (this.measured(sentUs)) this.sendToAck.record(us);
    if (this.measured(this.nowUs)) this.storedMeasured++;
    this.#ackNow?.record(us);
  }

  get #sending(): Member[] {
    return this.members.slice(0, this.senders);
  }
}

/** A member's connection: it counts what it is sent, and may send. */
export class Member implements WireSink {
  readonly index: number;
  /** An old client: without `im.caps`. */
  readonly old: boolean;
  sent = 0;
  answers = 0;
  conn: WireConn | undefined;
  readonly #run: GroupRun;
  #template: TalkTemplate | undefined;
  #owed = 0;
  /** ANSWERED, REFUSED, by counter; when it left, by counter. */
  readonly #known: number[] = [];
  readonly #sentUs: number[] = [];

  constructor(run: GroupRun, index: number, old: boolean) {
    this.#run = run;
    this.index = index;
    this.old = old;
  }

  /** From now on it may send. */
  ready(template: TalkTemplate): void {
    this.#template = template;
  }

  isStored(counter: number): boolean {
    return this.#known[counter] === ANSWERED;
  }
  isRefused(counter: number): boolean {
    return this.#known[counter] === REFUSED;
  }

  /** Closed loop: they leave now; open loop: their time is the intended one. */
  send(many: number): void {
    const run = this.#run;
    for (let i = 0; i < many; i++) {
      const counter = this.sent++;
      const { rate } = run.plan;
      const timeUs = rate === 0 ? run.nowUs : Math.round((counter * run.senders + this.index) * 1e6 / rate);
      run.sent++;
      this.#sentUs[counter] = timeUs;
      const end = this.#template!.write(scratch, 0, SEQUENCE.FIRST + counter % SEQUENCE.COUNT, counter, timeUs);
      this.conn!.write(scratch.subarray(0, end));
    }
  }

  begin(): void {
    this.#run.look();
  }

  // hot: per packet
  packet(bytes: Uint8Array, start: number, end: number): void {
    const run = this.#run;
    if (!packet.scan(bytes, start, end)) return void run.phantom++;
    if (packet.kind !== "talk") return;
    if (packet.flag === FLAG.RESPONSE) return this.#answer(packet.sequence - SEQUENCE.FIRST, packet.status);
    if (
      !push.scan(bytes, packet.bodyStart, packet.bodyEnd) || !stamp.read(bytes, push.textStart, push.textEnd) ||
      push.textEnd - push.textStart !== run.plan.bodyBytes
    ) return void run.phantom++;
    run.arrived(this);
  }

  #answer(counter: number, status: number): void {
    const run = this.#run;
    if (counter < 0 || counter >= this.sent || this.#known[counter] !== undefined) return void run.stray++;
    this.answers++;
    this.#owed++;
    this.#known[counter] = status === 0 ? ANSWERED : REFUSED;
    if (status !== 0) return count(run.refused, status);
    run.stored++;
    run.acked(run.nowUs - this.#sentUs[counter]!, this.#sentUs[counter]!);
  }

  done(): void {
    if (this.#owed > 0 && this.#run.plan.rate === 0 && this.#run.running) this.send(this.#owed);
    this.#owed = 0;
  }

  closed(why: string): void {
    count(this.#run.closed, why);
  }
}
