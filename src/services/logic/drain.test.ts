import { expect, test } from "bun:test";
import { FakeClock } from "../../base/fake_clock.ts";
import { silent } from "../../base/logger.ts";
import { Metrics } from "../../base/metrics.ts";
import { CommandRouter } from "../../command/router.ts";
import type { Downlink, Downward, Upward } from "../../container/link.ts";
import { EMPTY } from "../../protocol/bodies.ts";
import { DRAIN } from "../../protocol/commands.ts";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import { NO_BODY } from "../../protocol/packet.ts";
import type { LogicDeps } from "./deps.ts";
import { LogicServer } from "./logic.ts";

/** A logic server whose talks end when the test says so. */
function stand() {
  const clock = new FakeClock();
  const waiting: (() => void)[] = [];
  const talk = { name: "chat.user.talk", request: EMPTY, response: EMPTY };
  const router = new CommandRouter()
    .add(talk, () => new Promise((resolve) => waiting.push(() => resolve({}))))
    .add({ ...talk, name: "login.signin" }, () => Promise.resolve({}));
  const logic = new LogicServer({ clock, log: silent, metrics: new Metrics() } as unknown as LogicDeps, router);
  const link = (peerId: string, more: Partial<Downlink> = {}) => {
    const sent: Downward[] = [];
    const end: Downlink = { peerId, incarnation: "", send: (packet: Downward) => sent.push(packet) > 0, ...more };
    logic.attach(end);
    const drains = () => sent.filter(({ header }) => header.command === DRAIN && header.flag === FLAG.PUSH).length;
    return { end, sent, drains };
  };
  const pass = async (ms: number) => {
    for (; ms > 0; ms -= 50) {
      clock.advance(50);
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
  };
  return { logic, link, pass, waiting };
}

function request(command: string): Upward {
  return {
    header: makeHeader(command, { channelId: "gw_c1", sequence: 1, dest: "bob" }),
    body: NO_BODY,
    app: "kim",
    account: "ann",
    device: "",
    caps: true,
    content: "protobuf",
    gateId: "gw",
    key: undefined,
    startBy: Infinity,
    again: false,
  };
}

test("a drain is announced on every link, also on those that come later, but not to KIM's", () => {
  const { logic, link } = stand();
  const [one, kim] = [link("gw1"), link("gw2", { kim: true })];
  void logic.drain(5_000);
  void logic.drain(5_000);
  const late = link("gw3");
  expect([one, kim, late].map(({ drains }) => drains())).toEqual([1, 0, 1]);
});

test("a drain ends when all is answered and nothing came for a second", async () => {
  const { logic, link, pass, waiting } = stand();
  const { end, sent } = link("gw");
  logic.up(request("chat.user.talk"), end);
  let done = false;
  void logic.drain(30_000).then(() => done = true);
  await pass(5_000);
  expect(done).toBe(false);
  logic.up(request("chat.user.talk"), end); // it was on its way
  for (const answer of waiting) answer();
  await pass(500);
  expect(done).toBe(false);
  await pass(700);
  expect(done).toBe(true);
  expect(sent.filter(({ header }) => header.flag === FLAG.RESPONSE).length).toBe(2);
});

test("a drain ends after its limit, whatever is still running", async () => {
  const { logic, link, pass } = stand();
  logic.up(request("chat.user.talk"), link("gw").end);
  let done = false;
  void logic.drain(3_000).then(() => done = true);
  await pass(2_900);
  expect(done).toBe(false);
  await pass(300);
  expect(done).toBe(true);
});

test("logins that were on their way are taken, later ones told to wait", async () => {
  const { logic, link, pass } = stand();
  const { end, sent } = link("gw");
  const drained = logic.drain(10_000);
  logic.up(request("login.signin"), end);
  await pass(1_200);
  logic.up(request("login.signin"), end);
  await pass(2_000);
  await drained;
  const answers = sent.filter(({ header }) => header.flag === FLAG.RESPONSE);
  expect(answers.map(({ header }) => header.status)).toEqual([0, 302]);
});
