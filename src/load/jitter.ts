import { randomBytes } from "node:crypto";
import { PetrelClient } from "../sdk/mod.ts";
import { Checker } from "./checker.ts";
import { CUTS } from "./cut_conn.ts";
import { CuttingProxy, type Lane } from "./cutting_proxy.ts";
import { DELIVERY_FAULTS, deliveryLines, type DeliveryVerdict, judgeDelivery } from "./delivery_judge.ts";
import { FileHistory, HISTORY_FILE, type HistoryEvent } from "./history.ts";
import { Histogram } from "./histogram.ts";
import { HistoryMeter } from "./history_meter.ts";
import { JitterClient } from "./jitter_client.ts";
import { Options, type OptionSpec, UsageError } from "./options.ts";
import { pool, wait } from "./pool.ts";
import { Random } from "./random.ts";
import {
  grouped,
  latencyText,
  type Outcome,
  publish,
  REPORT_OPTIONS,
  say,
  surroundings,
  timelineOf,
} from "./report.ts";
import { UseMeter, useRows } from "./report.ts";
import { openTarget, OWN_SERVER, type Target, TARGET_OPTIONS } from "./target.ts";
import type { Timeline } from "./timeline.ts";
import { FAULTS, type Verdict, verdictLines } from "./verdict.ts";
import { WireClient } from "./wire_client.ts";

export const JITTER_OPTIONS: readonly OptionSpec[] = [
  { name: "clients", value: "N", preset: "100", help: "SDK clients, each of its own account" },
  { name: "cut-every", value: "S", preset: "2", help: "seconds that a connection lives, half more or less" },
  { name: "seconds", value: "N", preset: "300", help: "how long they talk and connections are cut" },
  { name: "rate", value: "N", preset: "500", help: "messages per second of all clients, each to a random other one" },
  { name: "seed", value: "N", preset: "1", help: "of who talks to whom, and of the cuts" },
  { name: "wait", value: "S", preset: "60", help: "seconds to wait at the end, with no more cuts, until all has come" },
  HISTORY_FILE,
  { name: "server", value: "CMD", help: "without --url: the server to start (petrel dev)" },
  ...TARGET_OPTIONS.filter(({ name }) => name !== "server" && name !== "transport"),
  ...REPORT_OPTIONS,
];

/** `petrel load jitter`: SDK clients whose connections are cut all the time, and a judge. Gives the exit code. */
export async function jitter(args: readonly string[]): Promise<number> {
  const options = new Options(args, JITTER_OPTIONS);
  const plan = {
    clients: options.whole("clients", 2),
    cutEveryMs: options.number("cut-every", 0.1) * 1000,
    seconds: options.number("seconds", 0.1),
    rate: options.number("rate", 0.1),
    seed: options.whole("seed"),
    waitMs: options.number("wait") * 1000,
  };
  await using target = await openTarget(options, OWN_SERVER);
  const url = target.urls[0]!;
  if (url.transport !== "ws") throw new UsageError(`Cannot use --url ${url.text}: the SDK's clients speak WebSocket`);
  const file = options.text("history");
  using history = file === undefined ? undefined : new FileHistory(file);
  const timeline = timelineOf(options, target);
  const run = new JitterRun(plan, target, timeline, (event) => history?.record(event));
  const outcome = await run.run(options.on("quiet") ? undefined : say);
  return publish(outcome, surroundings(options, target, "jitter", args), options, timeline);
}

interface JitterPlan {
  readonly clients: number;
  readonly cutEveryMs: number;
  readonly seconds: number;
  readonly rate: number;
  readonly seed: number;
  readonly waitMs: number;
}

type Say = ((line: string) => void) | undefined;

class JitterRun {
  readonly #plan: JitterPlan;
  readonly #target: Target;
  readonly #timeline: Timeline | undefined;
  readonly #meter: HistoryMeter;
  readonly #checker = new Checker();
  readonly #record: (event: HistoryEvent) => void;
  readonly #clients: JitterClient[] = [];
  readonly #random: Random;
  readonly #backOff = new Histogram();

  constructor(
    plan: JitterPlan,
    target: Target,
    timeline: Timeline | undefined,
    record: (event: HistoryEvent) => void,
  ) {
    this.#plan = plan;
    this.#target = target;
    this.#timeline = timeline;
    this.#meter = new HistoryMeter(timeline);
    this.#random = new Random(plan.seed);
    this.#record = (event) => {
      this.#meter.record(event);
      this.#checker.add(event);
      record(event);
    };
  }

  async run(progress: Say): Promise<Outcome> {
    const { clients, seed, cutEveryMs } = this.#plan;
    const { host, port, path } = this.#target.urls[0]!;
    await using proxy = await CuttingProxy.start({ host, port, lanes: clients, cutEveryMs, seed });
    const run = randomBytes(4).toString("hex");
    for (const [i, lane] of proxy.lanes.entries()) {
      const account = `jitter-${run}-${i}`;
      const url = `ws://127.0.0.1:${lane.port}${path}`;
      const client = new PetrelClient({ url, token: () => this.#target.token(account), device: "jitter" });
      this.#clients.push(new JitterClient(client, account, this.#record, this.#backOff));
    }
    this.#timeline?.gauge("Clients online", "", "online", () => this.#online);
    this.#timeline?.rate("Cuts", "per second", "cuts", () => proxy.cuts);
    const use = new UseMeter(this.#target.pid);
    try {
      await Promise.all(this.#clients.map(({ sdk }) => sdk.login()));
      this.#timeline?.start();
      const timer = progress && setInterval(() => progress(this.#progress(proxy)), 1000);
      await this.#talk();
      proxy.calm();
      this.#timeline?.mark("no more cuts");
      await this.#drain();
      clearInterval(timer);
      const measured = use.read();
      this.#timeline?.stop();
      await wait(300); // what comes now is twice
      await Promise.all(this.#clients.map((client) => client.close()));
      await this.#readInboxes();
      return this.#outcome(proxy.lanes, useRows(measured, this.#meter.acked, this.#target.pidProblem));
    } finally {
      this.#timeline?.stop();
      await Promise.all(this.#clients.map((client) => client.close()));
    }
  }

  /** Open loop: what is due is said, whoever is online. */
  async #talk(): Promise<void> {
    const { seconds, rate } = this.#plan;
    const start = performance.now();
    const total = Math.floor(seconds * rate);
    for (let said = 0; said < total;) {
      const due = Math.min(total, Math.floor((performance.now() - start) * rate / 1000) + 1);
      for (; said < due; said++) {
        const from = this.#random.between(0, this.#clients.length);
        const to = (from + this.#random.between(1, this.#clients.length)) % this.#clients.length;
        this.#clients[from]!.talk(this.#clients[to]!.account, `m${said}`);
      }
      await wait(5);
    }
  }

  /** Until every message is settled, and every stored one handed over; or the time is up. */
  async #drain(): Promise<void> {
    const end = performance.now() + this.#plan.waitMs;
    while (performance.now() < end) {
      const waiting = this.#clients.reduce((sum, { sdk }) => sum + sdk.waiting.length, 0);
      if (waiting === 0 && this.#meter.shown >= this.#meter.acked) return;
      await wait(20);
    }
  }

  /** Past the proxy, as other devices of the same accounts. */
  async #readInboxes(): Promise<void> {
    const history = { record: this.#record };
    await pool(this.#clients.length, 10, async (i) => {
      const client = this.#clients[i]!;
      const token = this.#target.token(client.account);
      await using wire = await WireClient.login(this.#target.urls[0]!.text, token, { history });
      client.inbox = await wire.inbox.readSync();
    });
  }

  get #online(): number {
    return this.#clients.reduce((sum, { sdk }) => sum + (sdk.state === "online" ? 1 : 0), 0);
  }

  #shown = { second: 0, sent: 0, acked: 0, shown: 0 };

  #progress(proxy: CuttingProxy): string {
    const before = this.#shown;
    const { sent, acked, shown } = this.#meter;
    this.#shown = { second: before.second + 1, sent, acked, shown };
    const unanswered = proxy.lanes.reduce((sum, { counts }) => sum + counts.unanswered, 0);
    return `${String(this.#shown.second).padStart(4)} s  sent ${sent - before.sent}/s  durable ${
      acked - before.acked
    }/s  ` +
      `handed over ${shown - before.shown}/s  on the way ${grouped(sent - acked - this.#meter.refused)}  ` +
      `online ${this.#online} of ${this.#clients.length}  cuts ${grouped(proxy.cuts)} (${
        grouped(unanswered)
      } on an unanswered send)`;
  }

  #outcome(lanes: readonly Lane[], use: Outcome["rows"]): Outcome {
    const { clients, seconds, rate, seed, cutEveryMs } = this.#plan;
    const verdict = this.#checker.finish();
    const delivery = judgeDelivery(this.#clients);
    const meter = this.#meter;
    const cuts = CUTS.map((kind) => [kind, sum(lanes, ({ counts }) => counts.cuts.get(kind) ?? 0)] as const);
    const perClient = lanes.map(({ counts }) => counts.unanswered);
    const failed = this.#clients.flatMap((client) => [...client.failures]);
    const unsettled = sum(this.#clients, (client) => client.unsettled);
    const reconnects = sum(this.#clients, (client) => client.logins - 1);
    return {
      title: `jitter: ${clients} SDK clients, cut every ${cutEveryMs / 1000} s, ${
        grouped(rate)
      }/s, ${seconds} s, seed ${seed}`,
      rows: [
        [
          "messages",
          `${grouped(meter.sent)} sent, ${grouped(meter.acked)} durable, ${grouped(meter.shown)} handed over`,
        ],
        ["failed", failed.length === 0 ? "0" : `${meter.refused}: ${[...new Set(failed)].join(", ")}`],
        ["cuts", `${grouped(sum(cuts, ([, n]) => n))}: ${cuts.map(([kind, n]) => `${kind} ${grouped(n)}`).join(", ")}`],
        [
          "on an unanswered send",
          `${grouped(sum(perClient, (n) => n))}; per client ${Math.min(...perClient)} to ${Math.max(...perClient)}`,
        ],
        ["reconnects", `${grouped(reconnects)}; ${grouped(sum(lanes, ({ counts }) => counts.refused))} refused`],
        ["waits before them", latencyText(this.#backOff.summary())],
        ["send to durable", latencyText(meter.sendToAck.summary())],
        ["send to handed over", latencyText(meter.sendToPush.summary())],
        ["checker", verdictLines(verdict)[0]!],
        ["exactness", exactness(verdict, delivery)],
        ...use,
      ],
      figures: {
        sent: meter.sent,
        durable: meter.acked,
        handedOver: meter.shown,
        failed: meter.refused,
        unsettled,
        cuts: Object.fromEntries(cuts),
        unansweredPerClient: perClient,
        reconnects,
        backOffMs: this.#backOff.summary(),
        sendToAckMs: meter.sendToAck.summary(),
        sendToPushMs: meter.sendToPush.summary(),
        verdict,
        delivery,
      },
      tiles: tilesOf(verdict, delivery),
      faults: faultsOf(verdict, delivery, unsettled, this.#clients, perClient),
      details: [...(verdict.clean ? [] : verdictLines(verdict)), ...deliveryLines(delivery)],
    };
  }
}

function exactness(verdict: Verdict, delivery: DeliveryVerdict): string {
  const stored = FAULTS.map((name) => `${name} ${verdict.faults[name].count}`).join(", ");
  return `inboxes: ${stored}; clients: ${DELIVERY_FAULTS.map((name) => `${name} ${delivery[name].count}`).join(", ")}`;
}

function tilesOf(verdict: Verdict, delivery: DeliveryVerdict): Outcome["tiles"] {
  const { faults } = verdict;
  return [
    ["lost", faults.lost.count + delivery.missing.count],
    ["twice", faults.twice.count + delivery.twice.count],
    ["out of order", faults.order.count + delivery.order.count],
    ["holes", faults.hole.count + delivery.seq.count],
    ["phantom", faults.phantom.count + delivery.extra.count],
  ];
}

function faultsOf(
  verdict: Verdict,
  delivery: DeliveryVerdict,
  unsettled: number,
  clients: readonly JitterClient[],
  perClient: readonly number[],
): string[] {
  const spared = perClient.filter((n) => n === 0).length;
  const counts: [number, string][] = [
    ...FAULTS.map((name): [number, string] => [verdict.faults[name].count, `${name} (inboxes)`]),
    ...DELIVERY_FAULTS.map((name): [number, string] => [delivery[name].count, `${name} (clients)`]),
    [unsettled, "neither durable nor failed"],
    [spared, "clients were never cut on an unanswered send"],
  ];
  const ended = clients.filter(({ closed }) => closed !== "").map(({ account, closed }) =>
    `${account} closed: ${closed}`
  );
  return [...counts.filter(([n]) => n > 0).map(([n, what]) => `${grouped(n)} ${what}`), ...ended];
}

function sum<T>(list: readonly T[], value: (one: T) => number): number {
  return list.reduce((total, one) => total + value(one), 0);
}
