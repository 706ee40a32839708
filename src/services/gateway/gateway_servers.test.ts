import { describe, expect, test } from "bun:test";
import type { Upward } from "../../container/link.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import { FLAG } from "../../protocol/header.ts";
import { NO_BODY } from "../../protocol/packet.ts";
import type { ClientChannel } from "./client_channel.ts";
import { Bench, Wire } from "./gateway_bench.fixture.ts";

const talks = (up: readonly Upward[]) => up.filter(({ header }) => header.command === "chat.user.talk");
const sequences = (up: readonly Upward[]) => talks(up).map(({ header }) => header.sequence);
const answers = (wire: Wire) =>
  wire.out.filter(({ header }) => header.flag === FLAG.RESPONSE && header.command !== "login.signin")
    .map(({ header }) => [header.sequence, header.status]);

/** A channel that is logged in, and a talk from it. */
function start(logics = ["chat1"]) {
  const bench = new Bench({}, logics);
  const wire = new Wire();
  const first = bench.first(wire) as ClientChannel;
  const logic = [...bench.links.values()].find(({ up }) => up.length > 0)!;
  bench.answer(0, 0, NO_BODY, logic);
  const talk = (sequence: number, body = NO_BODY) =>
    bench.send(first, "chat.user.talk", { dest: "bob", sequence }, body);
  return { bench, wire, channel: first, logic, talk };
}

describe("without a logic server", () => {
  test("requests wait for one, in order, the older ones marked as forwarded before", () => {
    const { bench, wire, talk } = start();
    talk(1);
    bench.logic.link.cut();
    talk(2);
    talk(3);
    expect(answers(wire)).toEqual([]);
    const two = bench.addLogic("chat2");
    expect(talks(two.up).map(({ header, again, key }) => [header.sequence, again, key?.n])).toEqual([
      [1, true, 1],
      [2, false, 2],
      [3, false, 3],
    ]);
    bench.clock.advance(100);
    expect(two.up.some(({ header }) => header.command === "im.heads")).toBe(true);
  });

  test("what may be stored is not sent again when its key is forgotten: the channel closes without an answer", () => {
    const { bench, wire, talk } = start();
    talk(1);
    bench.logic.link.cut();
    bench.clock.advance(600_000);
    const two = bench.addLogic("chat2");
    expect(talks(two.up)).toEqual([]);
    expect(answers(wire)).toEqual([]);
    expect(wire.closed).toBe(CLOSE.INTERNAL);
  });

  test("who waits too long is told so, unless a server may have stored it", () => {
    const { bench, wire, talk } = start();
    talk(1);
    bench.logic.link.cut();
    talk(2);
    bench.clock.advance(3_000);
    talk(3);
    bench.clock.advance(1_200);
    expect(answers(wire)).toEqual([[2, 302]]);
    bench.clock.advance(10_000);
    expect(answers(wire)).toEqual([[2, 302], [3, 302]]);
    const two = bench.addLogic("chat2");
    talk(4);
    expect(sequences(two.up)).toEqual([1, 4]);
    expect(wire.closed).toBeUndefined();
  });

  test("256 KiB wait, then the channel is not read, and it is read again when their time is over", () => {
    const { bench, wire, talk } = start();
    bench.logic.link.cut();
    for (let i = 1; i <= 6; i++) talk(i, new Uint8Array(50_000));
    expect(wire.paused).toBe(true);
    bench.clock.advance(4_200);
    expect(answers(wire).length).toBe(6);
    expect(wire.paused).toBe(false);
  });

  test("many that were told to wait are not taken for a flood", () => {
    const { bench, wire, talk } = start();
    bench.logic.link.cut();
    for (let i = 1; i <= 400; i++) talk(i);
    bench.clock.advance(4_200);
    expect(answers(wire).length).toBe(400);
    expect(wire.closed).toBeUndefined();
  });

  test("a sign-out waits for a server", () => {
    const { bench, channel } = start();
    bench.logic.link.cut();
    bench.gateway.disconnected(channel, CLOSE.GONE);
    const two = bench.addLogic("chat2");
    bench.clock.advance(100);
    expect(two.up.map(({ header }) => [header.command, header.channelId])).toEqual([["login.signout", channel.id]]);
  });
});

describe("a link that is cut and comes back to the same server", () => {
  test("carries what was not answered once more, and an answer that comes twice is written once", () => {
    const { bench, wire, talk } = start();
    talk(1);
    talk(2);
    const [one] = talks(bench.logic.up);
    bench.logic.link.cut();
    const again = bench.addLogic("chat1");
    bench.reply(one!, 0, 0, NO_BODY, again); // the server answers where the gateway is now
    for (const talk of talks(again.up)) bench.reply(talk, 0, 0, NO_BODY, again);
    expect(sequences(again.up)).toEqual([1, 2]);
    expect(answers(wire)).toEqual([[1, 0], [2, 0]]);
  });

  test("nothing overtakes what was sent there, although the gateway has not heard of the end yet", () => {
    const { bench, channel, talk } = start();
    talk(1);
    const two = bench.addLogic("chat2");
    const { link } = channel;
    channel.link = { ...link!, state: "closed", send: () => false };
    talk(2);
    bench.clock.advance(100);
    expect(sequences(two.up).concat(sequences(bench.logic.up.slice(2)))).toEqual([1, 2]);
  });
});

describe("a login", () => {
  test("whose server goes is tried at another one, and answered once", () => {
    const bench = new Bench();
    const wire = new Wire();
    const channel = bench.first(wire) as ClientChannel;
    const two = bench.addLogic("chat2");
    bench.logic.link.cut();
    const [again] = two.up;
    expect(again).toMatchObject({ again: true, header: { command: "login.signin", channelId: channel.id } });
    expect(again!.body).toEqual(bench.logic.up[0]!.body);
    expect(again!.startBy).toBe(bench.logic.up[0]!.startBy);
    bench.reply(again!, 0, 0, NO_BODY, two);
    bench.reply(again!, 0, 0, NO_BODY, two);
    expect(channel.state).toBe("open");
    expect(wire.out.length).toBe(1);
  });

  test("waits for a server, until its time is over", () => {
    const bench = new Bench();
    const [early, late] = [new Wire(), new Wire()];
    bench.first(late);
    bench.clock.advance(3_000);
    const channel = bench.first(early, bench.token("bob")) as ClientChannel;
    bench.logic.link.cut();
    bench.clock.advance(2_100);
    expect(late.last).toMatchObject({ status: 300, sequence: 7 });
    expect(late.closed).toEqual(CLOSE.LOGIN_FAILED);
    const two = bench.addLogic("chat2");
    expect(two.up.map(({ header }) => header.channelId)).toEqual([channel.id]);
    bench.answer(0, 0, NO_BODY, two);
    expect(channel.state).toBe("open");
    expect(early.closed).toBeUndefined();
  });
});

describe("a draining server", () => {
  test("answers what it has; then the channel goes on at another, in order, without a login", () => {
    const { bench, wire, channel, talk } = start();
    talk(1);
    const two = bench.addLogic("chat2");
    bench.logic.link.drain();
    talk(2);
    talk(3);
    expect(sequences(bench.logic.up)).toEqual([1]);
    expect(sequences(two.up)).toEqual([]);
    bench.reply(talks(bench.logic.up)[0]!);
    expect(talks(two.up).map(({ header, again }) => [header.sequence, again])).toEqual([[2, false], [3, false]]);
    for (const talk of talks(two.up)) bench.reply(talk, 0, 0, NO_BODY, two);
    expect(answers(wire)).toEqual([[1, 0], [2, 0], [3, 0]]);
    expect(channel.link?.peerId).toBe("chat2");
  });

  test("is left at once by channels that wait for nothing", () => {
    const { bench, channel } = start();
    bench.addLogic("chat2");
    bench.logic.link.drain();
    expect(channel.link?.peerId).toBe("chat2");
  });

  test("is still asked when there is no other", () => {
    const { bench, talk } = start();
    bench.logic.link.drain();
    talk(1);
    talk(2);
    expect(sequences(bench.logic.up)).toEqual([1, 2]);
    expect(bench.gateway.problem).toBe("no logic server");
  });

  test("that closes before it answered leaves that to the next one, ahead of what waited", () => {
    const { bench, talk } = start();
    talk(1);
    const two = bench.addLogic("chat2");
    bench.logic.link.drain();
    talk(2);
    bench.logic.link.cut();
    expect(talks(two.up).map(({ header, again }) => [header.sequence, again])).toEqual([[1, true], [2, false]]);
  });
});

test("what a server does not take when it is forwarded again waits, and nothing overtakes it", () => {
  const { bench, channel, talk } = start();
  talk(1);
  talk(2);
  const taken: Upward[] = [];
  let room = 0;
  const full = {
    ...bench.logic.link.uplink,
    peerId: "chat2",
    state: "open" as const,
    send: (one: Upward) => room-- > 0 && taken.push(one) > 0,
  };
  bench.gateway.attach(full);
  bench.logic.link.cut();
  talk(3);
  bench.clock.advance(100);
  expect(taken).toEqual([]);
  room = 2;
  bench.clock.advance(50);
  expect(sequences(taken)).toEqual([1, 2]);
  room = 1_000;
  bench.clock.advance(50);
  expect(sequences(taken)).toEqual([1, 2, 3]);
  expect(channel.link).toBe(full);
});
