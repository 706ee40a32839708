/**
 * How fast is a TCP link, and what does a message on it cost at each end? The gateway's end is this process, the logic
 * server's another one, over loopback, with a cluster secret as in a cluster.
 *
 *   bun tests/bench/how_fast_is_a_link.ts [seconds]
 *   deno run -A tests/bench/how_fast_is_a_link.ts [seconds]
 *
 * "talks": a request up and its answer down, `WINDOW` under way. "pushes": down alone, to one channel each. "fan": down
 * alone, to 100 channels each.
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { dial, hmacSha256, listenTcp, name, usage, version } from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import type { Downlink, Downward, LinkGateway, LinkLogic, Uplink, Upward } from "../../src/container/link.ts";
import { LinkClient } from "../../src/container/tcp/link_client.ts";
import { LinkServer } from "../../src/container/tcp/link_server.ts";
import { encodeBody } from "../../src/protocol/bodies.ts";
import * as pkt from "../../src/protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader } from "../../src/protocol/header.ts";

const [seconds = "4", role = "gateway"] = process.argv.slice(2);
const WINDOW = 2_000;
const CHANNEL = "gate01_account_1234_k3x9f00017";
const FAN = Array.from({ length: 100 }, (_, i) => `gate01_account_${1000 + i}_k3x9f000${10 + i}`);
const sign = hmacSha256("the secret of a bench, long enough");
const metrics = new Metrics();
const talkBody = encodeBody(pkt.MessageReq, { type: 1, body: "hello, how are you today?", clientMsgId: "c-1234567" });
const answerBody = encodeBody(pkt.MessageResp, { messageId: 1n << 60n, sendTime: 1n << 60n, seq: 1000, userSeq: 2000 });
const pushBody = encodeBody(pkt.MessagePush, {
  messageId: 1n << 60n,
  type: 1,
  body: "hello, how are you today?",
  sender: "account_5678",
  sendTime: 1n << 60n,
  seq: 1000,
});

if (role === "logic") await logic();
else await gateway(Number(seconds) * 1000);

/** Answers talks; a request `push N` begins as many pushes, `fan N` to a hundred channels each. */
async function logic(): Promise<void> {
  const server: LinkLogic = {
    attach: () => {},
    closed: () => process.exit(0),
    up(packet: Upward, from: Downlink) {
      const { header } = packet;
      if (header.command === "cpu") {
        return answer(packet, from, encodeBody(pkt.ErrorResp, { message: `${usage().cpuMicros}` }));
      }
      if (header.command === "chat.user.talk") return answer(packet, from, answerBody);
      pushes(from, header.command === "fan" ? FAN : [CHANNEL], header.sequence);
    },
  };
  const links = new LinkServer({ serviceId: "chat01" }, {
    clock: systemClock,
    log: silent,
    metrics,
    logic: server,
    sign,
  });
  const listening = await listenTcp({ hostname: "127.0.0.1", port: 0 }, links.accept);
  links.listening(listening);
  console.log(listening.port);
}

function answer({ header, key, gateId }: Upward, to: Downlink, body: Uint8Array): void {
  const { command, channelId, sequence, dest } = header;
  to.send({
    header: makeHeader(command, { channelId, sequence, flag: FLAG.RESPONSE, dest }),
    body,
    gateId,
    channels: [channelId],
    positions: [sequence],
    own: false,
    answers: key?.n ?? 0,
  });
}

/** As many as fit in a tick, then the next tick. */
function pushes(to: Downlink, channels: readonly string[], count: number): void {
  const positions = channels.map((_, i) => 2_000 + i);
  for (let i = 0; i < 500 && count > 0; i++, count--) {
    const header = makeHeader("chat.user.talk", { channelId: "gate02_x_1", sequence: i, flag: FLAG.PUSH, dest: "bob" });
    if (!to.send({ header, body: pushBody, gateId: "gate01", channels, positions, own: false, answers: 0 })) break;
  }
  if (count > 0) setTimeout(() => pushes(to, channels, count), 0);
}

async function gateway(ms: number): Promise<void> {
  const child = spawn(process.execPath, [...runArgs(), fileURLToPath(import.meta.url), seconds, "logic"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const port = await new Promise<number>((resolve) =>
    child.stdout.once("data", (text) => resolve(Number(String(text))))
  );
  let received: (packet: Downward) => void = () => {};
  const up = Promise.withResolvers<Uplink>();
  const me: LinkGateway = { attach: up.resolve, changed: () => {}, down: (packet) => received(packet) };
  const url = `tcp://127.0.0.1:${port}`;
  const link = new LinkClient({ gateId: "gate01", incarnation: "7", logicId: "chat01", url }, {
    clock: systemClock,
    log: silent,
    dial,
    random: Math.random,
    gateway: me,
    sign,
  });
  link.start();
  const uplink = await up.promise;
  const theirCpu = () =>
    new Promise<number>((resolve) => {
      const before = received;
      received = (packet) => {
        if (packet.header.command !== "cpu") return before(packet);
        received = before;
        resolve(Number(new TextDecoder().decode(packet.body.subarray(2))));
      };
      ask(uplink, "cpu", 1);
    });
  const show = async (what: string, run: () => Promise<number>): Promise<void> => {
    await run(); // warm
    const [cpu, their, start] = [usage().cpuMicros, await theirCpu(), performance.now()];
    const count = await run();
    const took = (performance.now() - start) / 1000;
    const [mine, other] = [(usage().cpuMicros - cpu) / count, (await theirCpu() - their) / count];
    const rate = Math.round(count / took).toLocaleString("en");
    console.log(
      `${name} ${version} ${what}: ${rate}/s, CPU µs each: gateway ${mine.toFixed(2)}, logic ${other.toFixed(2)}`,
    );
  };

  await show("talks ", () => talks(uplink, ms, (listener) => received = listener));
  for (const [what, command, count] of [["pushes", "push", 400_000], ["fan   ", "fan", 40_000]] as const) {
    await show(what, () =>
      new Promise((resolve) => {
        let came = 0;
        received = () => ++came === count && resolve(count);
        ask(uplink, command, count);
      }));
  }
  await link.stop();
}

function talks(uplink: Uplink, ms: number, listen: (listener: () => void) => void): Promise<number> {
  const until = performance.now() + ms;
  let [sent, came] = [0, 0];
  const { promise, resolve } = Promise.withResolvers<number>();
  const next = () => ask(uplink, "chat.user.talk", ++sent);
  listen(() => {
    came++;
    if (performance.now() < until) next();
    else if (came === sent) resolve(came);
  });
  for (let i = 0; i < WINDOW; i++) next();
  return promise;
}

function ask(uplink: Uplink, command: string, sequence: number): void {
  const taken = uplink.send({
    header: makeHeader(command, { channelId: CHANNEL, sequence, dest: "account_5678" }),
    body: talkBody,
    app: "kim",
    account: "account_1234",
    device: "phone",
    caps: true,
    content: "protobuf",
    gateId: "gate01",
    key: { scope: CHANNEL, n: sequence, low: Math.max(1, sequence - 20) },
    startBy: systemClock.mono() + 4_000,
    again: false,
  });
  if (!taken) throw new Error("The link took nothing");
}

function runArgs(): string[] {
  return "Deno" in globalThis ? ["run", "-A", "--no-check"] : [];
}
