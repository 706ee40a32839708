import { randomBytes } from "node:crypto";
import { Histogram } from "./histogram.ts";
import { Options, type OptionSpec } from "./options.ts";
import { PacketScan, PING } from "./packet.ts";
import { pool, wait } from "./pool.ts";
import { grouped, latencyText, mib, type Outcome, publish, REPORT_OPTIONS, say, surroundings } from "./report.ts";
import { timelineOf, UseMeter, useRows } from "./report.ts";
import { useOf } from "./process_stats.ts";
import { count, total } from "./talk_counts.ts";
import { openTarget, type Target, TARGET_OPTIONS } from "./target.ts";
import type { Timeline } from "./timeline.ts";
import { WireConn, type WireSink } from "./wire_conn.ts";
import { loginOrThrow } from "./wire_login.ts";

export const IDLE_OPTIONS: readonly OptionSpec[] = [
  { name: "connections", value: "N", preset: "10000", help: "connections to open and keep" },
  { name: "seconds", value: "N", preset: "60", help: "how long they are kept" },
  { name: "ping", value: "S", preset: "55", help: "seconds between a connection's heartbeats" },
  { name: "settle", value: "S", preset: "5", help: "seconds to wait before the server's memory is read" },
  ...TARGET_OPTIONS,
  ...REPORT_OPTIONS,
];

/** Connections from one source address to one port; beyond it the next 127.0.0.x is used (loopback only). */
const PER_ADDRESS = 25_000;

/** `petrel load idle`: what a connection that does nothing costs. Gives the exit code. */
export async function idle(args: readonly string[]): Promise<number> {
  const options = new Options(args, IDLE_OPTIONS);
  const wanted = options.whole("connections", 1);
  const pingMs = options.number("ping", 0.1) * 1000;
  const settleMs = options.number("settle") * 1000;
  const seconds = options.number("seconds", 0.1);
  await using target = await openTarget(options);
  const timeline = timelineOf(options, target);
  const run = new IdleRun(target, wanted, timeline);
  try {
    timeline?.start();
    await run.open(0, Math.min(wanted, 50)); // the server's first connections pay for its code
    await wait(settleMs / 2);
    run.before();
    await run.open(Math.min(wanted, 50), wanted, options.on("quiet") ? undefined : say);
    await wait(settleMs);
    run.after();
    const use = new UseMeter(target.pid);
    timeline?.mark("all open");
    await run.keep(seconds * 1000, pingMs, options.on("quiet") ? undefined : say);
    timeline?.stop();
    const outcome = run.outcome(seconds, use);
    return publish(outcome, surroundings(options, target, "idle", args), options, timeline);
  } finally {
    timeline?.stop();
    run.close();
  }
}

class IdleRun {
  readonly #target: Target;
  readonly #wanted: number;
  readonly #run = randomBytes(4).toString("hex");
  readonly #conns: IdleConn[] = [];
  readonly #pong = new Histogram();
  readonly #closed = new Map<string, number>();
  #closing = false;
  #pings = 0;
  #openedMs = 0;
  #before: { rss: number; conns: number } | undefined;
  #after: { rss: number; conns: number } | undefined;

  /** Pongs of the present second, for a report. */
  readonly #pongNow: Histogram | undefined;

  constructor(target: Target, wanted: number, timeline: Timeline | undefined) {
    this.#target = target;
    this.#wanted = wanted;
    timeline?.gauge("Connections", "", "open", () => this.#conns.length - this.#closedEarly);
    timeline?.rate("Pings", "per second", "pings", () => this.#pings);
    timeline?.rate("Pings", "per second", "pongs", () => this.#pong.count);
    this.#pongNow = timeline?.latency("Ping to pong");
  }

  get #closedEarly(): number {
    return total(this.#closed);
  }

  /** @throws {Error} the first that cannot connect or log in. */
  async open(from: number, to: number, progress?: (line: string) => void): Promise<void> {
    const urls = this.#target.urls;
    const start = performance.now();
    const timer = setInterval(() => progress?.(`${grouped(this.#conns.length)} open`), 1000);
    try {
      await pool(to - from, 64, async (i) => {
        const n = from + i;
        const address = Math.floor(n / PER_ADDRESS);
        const url = urls[n % urls.length]!;
        const sink = new IdleConn([this.#pong, this.#pongNow], (why) => this.#closing || count(this.#closed, why));
        const localAddress = address === 0 || !url.host.startsWith("127.") ? undefined : `127.0.0.${1 + address}`;
        sink.conn = await WireConn.open(url, sink, { localAddress });
        await loginOrThrow(sink.conn, this.#target.token(`idle-${this.#run}-${n}`), sink);
        this.#conns.push(sink);
      });
    } finally {
      clearInterval(timer);
    }
    this.#openedMs += performance.now() - start;
  }

  /** Reads the server's memory before and after the connections that count. */
  before(): void {
    this.#before = this.#look();
  }
  after(): void {
    this.#after = this.#look();
  }

  #look(): { rss: number; conns: number } | undefined {
    const use = this.#target.pid === undefined ? undefined : useOf(this.#target.pid);
    return use === undefined ? undefined : { rss: use.rssBytes, conns: this.#conns.length };
  }

  /** Pings evenly: each connection once per `pingMs`. */
  async keep(ms: number, pingMs: number, progress?: (line: string) => void): Promise<void> {
    const start = performance.now();
    let second = 0;
    for (let passed = 0; passed < ms; passed = performance.now() - start) {
      const due = Math.floor(passed * this.#conns.length / pingMs);
      for (; this.#pings < due; this.#pings++) this.#conns[this.#pings % this.#conns.length]!.ping();
      if (passed >= (second + 1) * 1000) {
        const counts = `pings ${grouped(this.#pings)}  pongs ${grouped(this.#pong.count)}`;
        progress?.(`${++second} s  ${counts}  closed ${this.#closedEarly}`);
      }
      await wait(5);
    }
    for (let i = 0; i < 200 && this.#pong.count < this.#pings; i++) await wait(10);
  }

  outcome(seconds: number, meter: UseMeter): Outcome {
    const use = meter.read();
    const pid = this.#target.pidProblem;
    const each = this.#before === undefined || this.#after === undefined || this.#after.conns === this.#before.conns
      ? undefined
      : (this.#after.rss - this.#before.rss) / (this.#after.conns - this.#before.conns);
    const closed = [...this.#closed].map(([why, n]) => `${grouped(n)} x ${why}`);
    const missing = this.#pings - this.#pong.count;
    const memory = each === undefined
      ? `unknown: ${pid === "" ? "too few connections, or the process ended" : pid}`
      : `${(each / 1024).toFixed(1)} KiB (${mib(this.#before!.rss)} MiB with ${this.#before!.conns}, ` +
        `${mib(this.#after!.rss)} MiB with ${grouped(this.#after!.conns)})`;
    return {
      title: `idle: ${grouped(this.#wanted)} connections for ${seconds} s`,
      rows: [
        ["server RSS each", memory],
        ["opened", `${grouped(this.#conns.length / (this.#openedMs / 1000))}/s, logged in`],
        ["pings", `${grouped(this.#pings / seconds * 60)} per minute, ${grouped(this.#pong.count)} answered`],
        ["ping to pong", latencyText(this.#pong.summary())],
        ...closed.map((text) => ["closed early", text] as const),
        ...useRows(use, this.#pings, pid, "ping"),
      ],
      figures: {
        connections: this.#conns.length,
        openedMs: this.#openedMs,
        serverRssBefore: this.#before,
        serverRssAfter: this.#after,
        bytesPerConnection: each,
        pings: this.#pings,
        pongs: this.#pong.count,
        pongMs: this.#pong.summary(),
        closed: this.#closed,
        use,
      },
      tiles: [["closed early", this.#closedEarly], ["pings unanswered", missing]],
      faults: [
        ...closed.map((text) => `closed early: ${text}`),
        ...(missing > 0 ? [`${missing} pings unanswered`] : []),
      ],
    };
  }

  close(): void {
    this.#closing = true;
    for (const { conn } of this.#conns) conn?.close();
  }
}

const scan = new PacketScan();

class IdleConn implements WireSink {
  conn: WireConn | undefined;
  readonly #pong: readonly (Histogram | undefined)[];
  readonly #ended: (why: string) => void;
  #pingedMs = 0;

  constructor(pong: readonly (Histogram | undefined)[], ended: (why: string) => void) {
    this.#pong = pong;
    this.#ended = ended;
  }

  ping(): void {
    this.#pingedMs = performance.now();
    this.conn?.send(PING);
  }

  packet(bytes: Uint8Array, start: number, end: number): void {
    if (scan.scan(bytes, start, end) && scan.kind === "pong") {
      const us = (performance.now() - this.#pingedMs) * 1000;
      for (const histogram of this.#pong) histogram?.record(us);
    }
  }

  closed(why: string): void {
    this.#ended(why);
  }
}
