import { randomBytes } from "node:crypto";
import { clientFrame, OPCODE } from "./frames.ts";
import { Options, type OptionSpec, UsageError } from "./options.ts";
import { encodePacket, PING } from "./packet.ts";
import { pool, wait } from "./pool.ts";
import { grouped, type Outcome, publish, REPORT_OPTIONS, type Row, surroundings, timelineOf } from "./report.ts";
import { type UseFigures, UseMeter, useRows } from "./report.ts";
import { Receiver, Sender, TalkGroup, type TalkPlan } from "./talk_group.ts";
import { faultsOf, groupFigures, groupRows, progressOf, tilesOf } from "./talk_results.ts";
import { MIN_BODY, TalkTemplate } from "./talk_template.ts";
import { openTarget, type Target, TARGET_OPTIONS } from "./target.ts";
import type { Timeline } from "./timeline.ts";
import { WireConn } from "./wire_conn.ts";
import { loginOrThrow } from "./wire_login.ts";

export const USER_TALK_OPTIONS: readonly OptionSpec[] = [
  { name: "pairs", value: "N", preset: "40", help: "senders, each with a receiver of its own" },
  { name: "senders", value: "N", help: "instead of --pairs: this many senders…" },
  { name: "receivers", value: "N", help: "…to this many receivers, in turn" },
  {
    name: "rate",
    value: "N",
    preset: "1000",
    help: "messages per second in all, evenly spaced; 0: as fast as it goes",
  },
  { name: "window", value: "N", preset: "16", help: "with --rate 0: messages in flight per sender" },
  { name: "body", value: "BYTES", preset: "128", help: "length of a message's text" },
  { name: "seconds", value: "N", preset: "60", help: "measured time" },
  { name: "warmup", value: "N", preset: "3", help: "seconds before it, counted but not in latencies" },
  { name: "wait", value: "N", preset: "10", help: "seconds to wait for stragglers at the end" },
  { name: "settle", value: "S", preset: "0.5", help: "seconds between the last login and the first message" },
  { name: "ack", help: "receivers acknowledge as the web SDK does: the last message, at most every 3 s" },
  { name: "bystanders", value: "N", preset: "0", help: "further pairs that talk beside, reported apart" },
  { name: "bystander-rate", value: "N", preset: "50", help: "messages per second of all bystanders" },
  { name: "tick", value: "MS", preset: "1", help: "how often what is due is written; adds up to that to latencies" },
  ...TARGET_OPTIONS,
  ...REPORT_OPTIONS,
];

/** `petrel load user-talk`: senders talk to receivers, everything is counted exactly. Gives the exit code. */
export async function userTalk(args: readonly string[]): Promise<number> {
  const options = new Options(args, USER_TALK_OPTIONS);
  const shape = shapeOf(options);
  await using target = await openTarget(options);
  const timeline = timelineOf(options, target);
  const run = new TalkRun(options, shape, target, timeline);
  try {
    await run.connect();
    const outcome = await run.measure();
    return publish(outcome, surroundings(options, target, "user-talk", args), options, timeline);
  } finally {
    timeline?.stop();
    run.close();
  }
}

interface Shape {
  readonly senders: number;
  readonly receivers: number;
  readonly bystanders: number;
  readonly main: TalkPlan;
  readonly beside: TalkPlan;
}

function shapeOf(options: Options): Shape {
  const pairs = options.whole("pairs", 1);
  const bodyBytes = options.whole("body", MIN_BODY);
  if (bodyBytes > 5000) throw new UsageError(`Cannot use --body ${bodyBytes}: a text has at most 5000 code points`);
  const warmupUs = options.number("warmup") * 1e6;
  const endUs = warmupUs + options.number("seconds", 0.1) * 1e6;
  const rest = { bodyBytes, warmupUs, endUs, window: options.whole("window", 1) };
  return {
    senders: options.text("senders") === undefined ? pairs : options.whole("senders", 1),
    receivers: options.text("receivers") === undefined ? pairs : options.whole("receivers", 1),
    bystanders: options.whole("bystanders"),
    main: { ...rest, rate: options.number("rate") },
    beside: { ...rest, rate: options.number("bystander-rate", 0.01) },
  };
}

class TalkRun {
  readonly #options: Options;
  readonly #shape: Shape;
  readonly #target: Target;
  readonly #timeline: Timeline | undefined;
  readonly #main: TalkGroup;
  readonly #beside: TalkGroup | undefined;
  readonly #conns: WireConn[] = [];
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #ticking = true;

  constructor(options: Options, shape: Shape, target: Target, timeline: Timeline | undefined) {
    this.#options = options;
    this.#shape = shape;
    this.#target = target;
    this.#timeline = timeline;
    this.#main = new TalkGroup(shape.main, timeline);
    this.#beside = shape.bystanders > 0 ? new TalkGroup(shape.beside) : undefined;
  }

  get #groups(): TalkGroup[] {
    return this.#beside === undefined ? [this.#main] : [this.#main, this.#beside];
  }

  /** Opens and logs in every connection, receivers first. */
  async connect(): Promise<void> {
    const run = randomBytes(4).toString("hex");
    const { senders, receivers, bystanders } = this.#shape;
    await this.#fill(this.#main, `load-${run}`, senders, receivers);
    if (this.#beside !== undefined) await this.#fill(this.#beside, `by-${run}`, bystanders, bystanders);
    await wait(this.#options.number("settle") * 1000); // an old client's pushes begin 300 ms after its login
  }

  async #fill(group: TalkGroup, prefix: string, senders: number, receivers: number): Promise<void> {
    const name = (kind: string, i: number) => `${prefix}-${kind}${i}`;
    for (let i = 0; i < receivers; i++) group.receivers.push(new Receiver(group));
    for (let i = 0; i < senders; i++) group.senders.push(new Sender(group, i, group.receivers[i % receivers]!));
    const urls = this.#target.urls;
    await pool(receivers, 32, async (i) => {
      const receiver = group.receivers[i]!;
      receiver.conn = await this.#open(urls[(i + 1) % urls.length]!, name("r", i), receiver);
    });
    await pool(senders, 32, async (i) => {
      const conn = await this.#open(urls[i % urls.length]!, name("s", i), group.senders[i]!);
      group.senders[i]!.ready(conn, new TalkTemplate(conn, name("r", i % receivers), i, group.plan.bodyBytes));
    });
  }

  async #open(url: Target["urls"][number], account: string, sink: Sender | Receiver): Promise<WireConn> {
    const conn = await WireConn.open(url, sink);
    this.#conns.push(conn);
    await loginOrThrow(conn, this.#target.token(account), sink);
    return conn;
  }

  async measure(): Promise<Outcome> {
    const { warmupUs, endUs } = this.#shape.main;
    const use = new UseMeter(this.#target.pid);
    for (const group of this.#groups) group.start();
    this.#timeline?.start();
    this.#tick();
    this.#every(50_000, () => this.#ping());
    if (this.#options.on("ack")) this.#every(500, () => this.#ack());
    if (!this.#options.on("quiet")) this.#every(1000, progressOf(this.#main));
    const warm = setTimeout(() => {
      use.start();
      if (warmupUs > 0) this.#timeline?.mark("warm");
    }, warmupUs / 1000);
    await wait(endUs / 1000);
    clearTimeout(warm);
    const measured = use.read();
    this.#timeline?.stop();
    const deadline = performance.now() + this.#options.number("wait") * 1000;
    while (!this.#groups.every((group) => group.settled) && performance.now() < deadline) await wait(10);
    for (const group of this.#groups) group.stop();
    await wait(200); // what comes now is twice
    return this.#outcome(measured);
  }

  #tick(): void {
    if (!this.#ticking) return;
    this.#main.tick();
    this.#beside?.tick();
    setTimeout(() => this.#tick(), this.#tickMs);
  }

  get #tickMs(): number {
    return this.#options.number("tick", 1);
  }

  #every(ms: number, run: () => void): void {
    this.#timers.push(setInterval(run, ms));
  }

  #ping(): void {
    for (const conn of this.#conns) conn.send(PING);
  }

  /** What the web SDK does every half second. */
  #ack(): void {
    for (const { receivers, nowUs } of this.#groups) {
      for (const receiver of receivers) {
        if (receiver.unacked === 0 || nowUs - receiver.lastAckUs < 3e6) continue;
        if (receiver.unacked <= 10 && nowUs - receiver.lastArrivalUs < 5e5) continue;
        const body = Uint8Array.of(0x08, ...receiver.lastId.subarray(0, receiver.lastIdLength));
        receiver.conn?.write(clientFrame(
          receiver.conn.transport,
          OPCODE.BINARY,
          encodePacket({ command: "chat.talk.ack", sequence: 2, body }),
          receiver.conn.maskKey,
        ));
        receiver.unacked = 0;
        receiver.lastAckUs = nowUs;
      }
    }
  }

  close(): void {
    this.#ticking = false;
    for (const timer of this.#timers) clearInterval(timer);
    for (const conn of this.#conns) conn.close();
  }

  #outcome(use: UseFigures): Outcome {
    const { main, senders, receivers, bystanders } = this.#shape;
    const seconds = (main.endUs - main.warmupUs) / 1e6;
    const how = main.rate === 0 ? `closed loop, ${main.window} in flight each` : `${grouped(main.rate)}/s open loop`;
    const who = senders === receivers ? `${senders} pairs` : `${senders} senders to ${receivers} receivers`;
    const beside = this.#beside;
    const rows: Row[] = groupRows(this.#main, seconds);
    if (beside !== undefined) {
      rows.push(["bystanders", `${bystanders} pairs, ${grouped(this.#shape.beside.rate)}/s`]);
      rows.push(...groupRows(beside, seconds).map(([label, value]): Row => [`  ${label}`, value]));
    }
    rows.push(...useRows(use, this.#main.counts.storedMeasured, this.#target.pidProblem));
    const figures: Record<string, unknown> = { seconds, ...groupFigures(this.#main, seconds), use };
    if (beside !== undefined) figures["bystanders"] = groupFigures(beside, seconds);
    return {
      title: `user-talk: ${who}, ${how}, ${main.bodyBytes} bytes, ${seconds} s after ${main.warmupUs / 1e6} s`,
      rows,
      figures,
      tiles: tilesOf(this.#groups),
      faults: this.#groups.flatMap((group) => faultsOf(group)),
    };
  }
}
