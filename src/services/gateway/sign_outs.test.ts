import { describe, expect, test } from "bun:test";
import type { Upward } from "../../container/link.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import { NO_BODY } from "../../protocol/packet.ts";
import { Bench, Wire } from "./gateway_bench.fixture.ts";

const signOuts = (up: readonly Upward[]) => up.filter(({ header }) => header.command === "login.signout");
const channels = (up: readonly Upward[]) => signOuts(up).map(({ header }) => header.channelId);

/** A gateway that `count` clients have just left. */
function left(count: number) {
  const bench = new Bench();
  const gone = Array.from({ length: count }, (_, i) => bench.login(new Wire(), 0, {}, `user${i}`));
  for (const channel of gone) bench.gateway.disconnected(channel, CLOSE.GONE);
  const waiting = () => bench.metrics.read("petrel_sign_outs");
  return { bench, ids: gone.map(({ id }) => id), waiting };
}

describe("a sign-out", () => {
  test("that a server has carried out is said once", () => {
    const { bench, ids, waiting } = left(1);
    expect([channels(bench.logic.up), waiting()]).toEqual([ids, 1]);
    bench.answer();
    expect(waiting()).toBe(0);
    bench.logic.link.cut();
    const two = bench.addLogic("chat2");
    bench.clock.advance(60_000);
    expect([channels(bench.logic.up), channels(two.up)]).toEqual([ids, []]);
  });

  test("whose link breaks before the answer goes to another server", () => {
    const { bench, ids, waiting } = left(3);
    bench.reply(signOuts(bench.logic.up)[1]!);
    bench.logic.link.cut();
    bench.clock.advance(1_000);
    expect(waiting()).toBe(2);
    const two = bench.addLogic("chat2");
    bench.clock.advance(100);
    expect(channels(two.up).sort()).toEqual([ids[0]!, ids[2]!].sort());
    for (const one of signOuts(two.up)) bench.reply(one, 0, 0, NO_BODY, two);
    expect(waiting()).toBe(0);
    bench.clock.advance(60_000);
    expect(channels(two.up).length).toBe(2);
  });

  test("that nobody answers is said again after 10 s", () => {
    const { bench, ids } = left(1);
    bench.clock.advance(9_900);
    expect(channels(bench.logic.up)).toEqual(ids);
    bench.clock.advance(200);
    expect(channels(bench.logic.up)).toEqual([...ids, ...ids]);
  });

  test("goes to a KIM server once: it may not answer", () => {
    const bench = new Bench();
    const channel = bench.login(new Wire());
    bench.logic.link.cut();
    const sent: Upward[] = [];
    const kim = {
      ...bench.logic.link.uplink,
      peerId: "chat2",
      state: "open" as const,
      kim: true,
      send: (one: Upward) => sent.push(one) > 0,
    };
    bench.gateway.attach(kim);
    bench.gateway.disconnected(channel, CLOSE.GONE);
    bench.clock.advance(60_000);
    expect(channels(sent)).toEqual([channel.id]);
  });

  test("is not repeated for each push that finds its channel gone", () => {
    const { bench, ids } = left(1);
    const to = { channels: ids };
    const channel = bench.login(new Wire());
    for (let pos = 1; pos <= 3; pos++) bench.push(channel, pos, to);
    expect(channels(bench.logic.up)).toEqual(ids);
    bench.reply(signOuts(bench.logic.up)[0]!);
    bench.push(channel, 4, to);
    expect(channels(bench.logic.up)).toEqual([...ids, ...ids]);
  });
});

test("sign-outs that sessions out of reach refuse are tried one by one, and all together once one is carried out", () => {
  const { bench, ids, waiting } = left(300);
  for (const one of signOuts(bench.logic.up)) bench.reply(one, 0, 300);
  let seen = 300;
  const refuse = (): number => {
    const fresh = signOuts(bench.logic.up).slice(seen);
    for (const one of fresh) bench.reply(one, 0, 300);
    seen += fresh.length;
    return fresh.length;
  };
  for (let second = 0; second < 5; second++) {
    bench.clock.advance(1_050);
    expect(refuse()).toBe(1);
  }
  bench.clock.advance(1_050);
  bench.reply(signOuts(bench.logic.up).at(-1)!);
  expect(waiting()).toBe(299);
  bench.clock.advance(50);
  const last = signOuts(bench.logic.up).slice(seen);
  expect(new Set(last.map(({ header }) => header.channelId))).toEqual(new Set(ids));
  for (const one of last) bench.reply(one);
  expect(waiting()).toBe(0);
});
