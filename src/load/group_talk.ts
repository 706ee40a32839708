import { randomBytes } from "node:crypto";
import { makeGroup } from "./group_maker.ts";
import { GroupRun, Member } from "./group_run.ts";
import { Options, type OptionSpec, UsageError } from "./options.ts";
import { encodePacket, PING } from "./packet.ts";
import { pool, wait } from "./pool.ts";
import { grouped, latencyText, type Outcome, publish, REPORT_OPTIONS, type Row, say, surroundings } from "./report.ts";
import { timelineOf, type UseFigures, UseMeter, useRows } from "./report.ts";
import { total } from "./talk_counts.ts";
import { MIN_BODY, TalkTemplate } from "./talk_template.ts";
import { openTarget, type Target, TARGET_OPTIONS } from "./target.ts";
import { WireClient } from "./wire_client.ts";
import { WireConn } from "./wire_conn.ts";
import { loginOrThrow } from "./wire_login.ts";

export const GROUP_TALK_OPTIONS: readonly OptionSpec[] = [
  { name: "members", value: "N", preset: "100", help: "members of the group" },
  { name: "online", value: "N", help: "how many of them are online (all)" },
  { name: "old", value: "N", preset: "0", help: "how many of those are old clients" },
  { name: "senders", value: "N", preset: "4", help: "how many of those send" },
  { name: "rate", value: "N", preset: "20", help: "messages per second in all, evenly spaced; 0: as fast as it goes" },
  { name: "window", value: "N", preset: "4", help: "with --rate 0: messages in flight per sender" },
  { name: "body", value: "BYTES", preset: "128", help: "length of a message's text" },
  { name: "seconds", value: "N", preset: "20", help: "measured time" },
  { name: "warmup", value: "N", preset: "2", help: "seconds before it, counted but not in latencies and rates" },
  { name: "wait", value: "N", preset: "10", help: "seconds to wait for stragglers at the end" },
  ...TARGET_OPTIONS,
  ...REPORT_OPTIONS,
];

/** Our clients' heartbeat. */
const PING_MS = 25_000;
/** An old client's pushes begin 300 ms after its login. */
const SETTLE_MS = 600;

/** `petrel load group-talk`: members of one group talk, every delivery is counted. Gives the exit code. */
export async function groupTalk(args: readonly string[]): Promise<number> {
  const options = new Options(args, GROUP_TALK_OPTIONS);
  const shape = shapeOf(options);
  const plan = planOf(options);
  await using target = await openTarget(options);
  const timeline = timelineOf(options, target);
  const run = new GroupRun(plan, shape.senders, timeline);
  const conns: WireConn[] = [];
  let pings: ReturnType<typeof setInterval> | undefined;
  let ticks: ReturnType<typeof setInterval> | undefined;
  try {
    const madeMs = await connect(options, shape, target, run, conns);
    pings = setInterval(() => conns.forEach((conn) => conn.send(PING)), PING_MS);
    await wait(SETTLE_MS);
    const use = new UseMeter(target.pid);
    timeline?.start();
    run.start();
    ticks = setInterval(() => run.tick(), 1);
    await wait(run.plan.warmupUs / 1000);
    use.start();
    await wait((run.plan.endUs - run.plan.warmupUs) / 1000);
    const measured = use.read();
    timeline?.stop();
    const deadline = performance.now() + options.number("wait") * 1000;
    while (!run.settled && performance.now() < deadline) await wait(10);
    await wait(300); // what comes now is twice
    const outcome = outcomeOf(options, shape, run, measured, madeMs, target.pidProblem);
    return publish(outcome, surroundings(options, target, "group-talk", args), options, timeline);
  } finally {
    timeline?.stop();
    clearInterval(pings);
    clearInterval(ticks);
    for (const conn of conns) conn.close();
  }
}

interface Shape {
  readonly members: number;
  readonly online: number;
  readonly old: number;
  readonly senders: number;
}

function shapeOf(options: Options): Shape {
  const members = options.whole("members", 2);
  const online = options.text("online") === undefined ? members : options.whole("online", 2);
  const [old, senders] = [options.whole("old"), options.whole("senders", 1)];
  if (online > members) throw new UsageError(`Cannot use --online ${online}: there are ${members} members`);
  if (old > online) throw new UsageError(`Cannot use --old ${old}: ${online} are online`);
  if (senders > online) throw new UsageError(`Cannot use --senders ${senders}: ${online} are online`);
  return { members, online, old, senders };
}

function planOf(options: Options) {
  const bodyBytes = options.whole("body", MIN_BODY);
  if (bodyBytes > 5000) throw new UsageError(`Cannot use --body ${bodyBytes}: a text has at most 5000 code points`);
  const warmupUs = options.number("warmup") * 1e6;
  return {
    rate: options.number("rate"),
    window: options.whole("window", 1),
    bodyBytes,
    warmupUs,
    endUs: warmupUs + options.number("seconds", 0.1) * 1e6,
  };
}

/** Makes the group, then logs its online members in; old clients are spread evenly. Gives how long making took. */
async function connect(options: Options, shape: Shape, target: Target, run: GroupRun, conns: WireConn[]) {
  const prefix = `g${randomBytes(4).toString("hex")}`;
  const name = (i: number) => `${prefix}-${i}`;
  const urls = target.urls;
  const start = performance.now();
  const owner = await WireClient.login(urls[0]!.text, target.token(name(0)), { timeoutMs: 60_000 });
  const group = await makeGroup(owner, Array.from({ length: shape.members }, (_, i) => name(i)));
  await owner[Symbol.asyncDispose]();
  const madeMs = performance.now() - start;
  if (!options.on("quiet")) say(`group of ${grouped(shape.members)} made in ${(madeMs / 1000).toFixed(1)} s`);
  for (let i = 0; i < shape.online; i++) {
    const old = Math.floor((i + 1) * shape.old / shape.online) > Math.floor(i * shape.old / shape.online);
    run.members.push(new Member(run, i, old));
  }
  await pool(shape.online, 32, async (i) => {
    const member = run.members[i]!;
    const conn = await WireConn.open(urls[i % urls.length]!, member);
    conns.push(conn);
    const meta = new Map(member.old ? [] : [["im.caps", "1"]]);
    await loginOrThrow(conn, target.token(name(i)), member, { meta });
    if (member.old) conn.send(encodePacket({ command: "chat.offline.index", sequence: 2 }));
    member.conn = conn;
    if (i < shape.senders) {
      member.ready(new TalkTemplate(conn, group, i, run.plan.bodyBytes, "chat.group.talk"));
    }
  });
  return madeMs;
}

function outcomeOf(
  options: Options,
  { members, online, old, senders }: Shape,
  run: GroupRun,
  use: UseFigures,
  madeMs: number,
  pidProblem: string,
): Outcome {
  const { plan, deliveries, lost } = run;
  const seconds = (plan.endUs - plan.warmupUs) / 1e6;
  const refused = total(run.refused);
  const unanswered = run.sent - run.answered;
  const never = run.due - run.sent;
  const how = plan.rate === 0 ? `closed loop, ${plan.window} in flight each` : `${grouped(plan.rate)}/s open loop`;
  const rows: Row[] = [
    ["group made in", `${(madeMs / 1000).toFixed(2)} s`],
    ["deliveries", `${grouped(run.deliveredMeasured / seconds)}/s (${grouped(deliveries.delivered)} in all)`],
    ["stored", `${grouped(run.storedMeasured / seconds)}/s (${grouped(run.stored)} in all, ${grouped(run.sent)} sent)`],
    ["send to ack", latencyText(run.sendToAck.summary())],
    ["send to delivery, ours", latencyText(run.sendToPush.summary())],
  ];
  if (old > 0) rows.push(["send to delivery, old", latencyText(run.sendToOldPush.summary())]);
  rows.push(
    [
      "exactness",
      `lost ${lost}, duplicates ${deliveries.duplicates}, out of order ${deliveries.outOfOrder}, ` +
      `phantom ${run.phantom}, unanswered ${unanswered}, stray answers ${run.stray}`,
    ],
    ["refused", refused === 0 ? "0" : [...run.refused].map(([status, n]) => `${grouped(n)} with ${status}`).join(", ")],
    ...[...run.closed].map(([why, n]): Row => ["closed early", `${n} x ${why}`]),
    ...useRows(use, run.storedMeasured, pidProblem, "send"),
  );
  const faults: [number, string][] = [
    [lost, "lost"],
    [deliveries.duplicates, "duplicates"],
    [deliveries.outOfOrder, "out of order"],
    [run.phantom, "phantom"],
    [unanswered, "unanswered"],
    [run.stray, "stray answers"],
    [never, "never sent"],
    [total(run.closed), "connections closed early"],
  ];
  return {
    title: `group-talk: ${grouped(members)} members, ${grouped(online)} online, ${old} of them old clients, ` +
      `${senders} senders, ${how}, ${plan.bodyBytes} bytes, ${seconds} s after ${plan.warmupUs / 1e6} s`,
    rows,
    figures: {
      seconds,
      madeMs,
      deliveryRate: run.deliveredMeasured / seconds,
      delivered: deliveries.delivered,
      rate: run.storedMeasured / seconds,
      sent: run.sent,
      stored: run.stored,
      refused,
      refusedBy: run.refused,
      lost,
      duplicates: deliveries.duplicates,
      outOfOrder: deliveries.outOfOrder,
      phantom: run.phantom,
      unanswered,
      stray: run.stray,
      closed: run.closed,
      sendToAckMs: run.sendToAck.summary(),
      sendToPushMs: run.sendToPush.summary(),
      sendToOldPushMs: run.sendToOldPush.summary(),
      use,
      cpuUsPerSend: use.serverCpuUs === undefined ? undefined : use.serverCpuUs / Math.max(1, run.storedMeasured),
      options: options.shown(),
    },
    tiles: [
      ["lost", lost],
      ["twice", deliveries.duplicates],
      ["out of order", deliveries.outOfOrder],
      ["phantom", run.phantom],
      ["unanswered", unanswered],
    ],
    faults: faults.filter(([n]) => n > 0).map(([n, what]) => `${grouped(n)} ${what}`),
  };
}
