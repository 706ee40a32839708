import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { HISTORY, SYNC, TALK_ACK } from "./commands.ts";
import { FakeServer, onlineClient, settle } from "./fake_server.ts";
import type { Skipped } from "./rooms.ts";
import { MemoryStorage } from "./storage.ts";

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

function large(server: FakeServer, name = "Many") {
  const group = server.groups.make(name, ["bob", "ann"]);
  group.large = true;
  const say = (from: number, to = from) => numbers(from, to).forEach((body) => server.say("ann", group.id, body));
  return { group, say };
}

describe("a large group", () => {
  test("hands over what comes, with seq and without a position", async () => {
    const server = new FakeServer();
    const { group, say } = large(server);
    const { received } = await onlineClient(server, new FakeClock());
    say(1);
    await settle();
    expect(received).toMatchObject([{ peer: group.id, group: true, sender: "ann", body: "1", seq: 1, pos: 0 }]);
    expect(server.asked(TALK_ACK, pkt.MessageAckReq)).toEqual([]); // which is about the inbox
  });

  test("a new device begins with what comes from then on", async () => {
    const server = new FakeServer();
    const { say } = large(server);
    say(1, 300);
    const { bodies } = await onlineClient(server, new FakeClock());
    say(301);
    await settle();
    expect(bodies()).toEqual(["301"]);
    expect(server.asked(HISTORY, pkt.HistoryReq)).toEqual([]);
  });

  test("what was said while the client was away is fetched, once, in this run and in the next", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const storage = new MemoryStorage();
    const { group, say } = large(server);
    const first = await onlineClient(server, clock, { storage });
    say(1, 3);
    await settle();
    server.online("bob")[0]!.cut();
    await settle();
    say(4, 250);
    clock.advance(1_000);
    await settle();
    expect(first.bodies()).toEqual(numbers(1, 250));
    await first.client.close();
    expect((await storage.load()).position?.groups).toEqual({ [group.id]: 250 });
    say(251, 260);
    const second = await onlineClient(server, clock, { storage });
    expect(second.bodies()).toEqual(numbers(251, 260));
  });

  test("of too much that was said meanwhile the newest is handed over, and what is left out is told", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { group, say } = large(server);
    const { client, bodies } = await onlineClient(server, clock, { backlog: 50 });
    const skipped: Skipped[] = [];
    client.on("skipped", (one) => void skipped.push(one));
    say(1, 2);
    await settle();
    server.online("bob")[0]!.cut();
    await settle();
    say(3, 400);
    clock.advance(1_000);
    await settle();
    expect(skipped).toEqual([{ group: group.id, from: 3, to: 350 }]);
    expect(bodies()).toEqual([...numbers(1, 2), ...numbers(351, 400)]);
    say(401);
    await settle();
    expect(bodies().at(-1)).toBe("401");
  });

  test("a group that was joined on another device is known from joining on", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { client, bodies } = await onlineClient(server, clock);
    const { group, say } = large(server);
    group.members.delete("bob");
    say(1, 20);
    group.join("bob");
    server.push = () => {};
    say(21, 22);
    server.push = (_pos, send) => send();
    say(23);
    await settle();
    clock.advance(300);
    await settle();
    expect(bodies()).toEqual(numbers(21, 23));
    expect(client.state).toBe("online");
  });

  test("a group that becomes large goes on without a hole, whichever way its messages come", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const group = server.groups.make("Growing", ["bob", "ann"]);
    const { bodies } = await onlineClient(server, clock);
    const late: (() => void)[] = [];
    server.say("ann", group.id, "1");
    await settle();
    server.push = (_pos, send) => late.push(send);
    server.say("ann", group.id, "2"); // by the inbox, late
    server.push = (_pos, send) => send();
    group.large = true;
    server.say("ann", group.id, "3");
    await settle();
    expect(bodies()).toEqual(["1"]);
    late[0]!();
    await settle();
    expect(bodies()).toEqual(["1", "2", "3"]);
    clock.advance(5_000);
    expect(server.asked(HISTORY, pkt.HistoryReq)).toEqual([]);
  });

  test("rows made for the account's old clients are not handed over again", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { group, say } = large(server);
    const { bodies } = await onlineClient(server, clock);
    say(1, 5);
    server.makeRows(group, "bob");
    say(6);
    await settle();
    clock.advance(5_000);
    await settle();
    expect(bodies()).toEqual(numbers(1, 6));
  });

  test("our own answers count: nothing is fetched after a talk", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { group, say } = large(server);
    const { client, bodies } = await onlineClient(server, clock);
    say(1);
    await client.talk(group.id, "mine", { group: true }).done;
    say(3);
    await settle();
    clock.advance(5_000);
    await settle();
    expect(bodies()).toEqual(["1", "3"]);
    expect(server.asked(HISTORY, pkt.HistoryReq)).toEqual([]);
  });

  test("numbers that retention removed are passed over", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { group, say } = large(server);
    const { bodies } = await onlineClient(server, clock);
    say(1);
    await settle();
    server.push = () => {};
    say(2, 4);
    for (const row of group.messages.slice(0, 3)) row.messageId = 0n;
    server.push = (_pos, send) => send();
    say(5);
    await settle();
    clock.advance(300);
    await settle();
    expect(bodies()).toEqual(["1", "4", "5"]);
  });

  test("a head below what was handed over means another log: it is read from its beginning", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { group, say } = large(server);
    const { bodies } = await onlineClient(server, clock);
    say(1, 9);
    await settle();
    server.online("bob")[0]!.cut();
    await settle();
    group.messages.length = 0;
    const row = { type: 1, extra: "", sender: "ann", userSeq: 0, dest: group.id, clientMsgId: "", group: true };
    group.messages.push({ ...row, messageId: 5n, sendTime: 5n, seq: 1, body: "anew" });
    clock.advance(1_000);
    await settle();
    expect(bodies()).toEqual([...numbers(1, 9), "anew"]);
  });

  test("one we are not in any more is asked for once", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { group, say } = large(server);
    const { bodies, client } = await onlineClient(server, clock);
    server.push = () => {};
    say(1);
    server.push = (_pos, send) => send();
    say(2);
    group.members.delete("bob");
    await settle();
    for (let i = 0; i < 60; i++) {
      clock.advance(1_000);
      await settle();
    }
    expect(bodies()).toEqual([]);
    expect(server.asked(HISTORY, pkt.HistoryReq)).toHaveLength(1);
    expect(client.state).toBe("online");
  });

  test("of many only four are asked for at once, beside the inbox", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const all = Array.from({ length: 40 }, (_, i) => large(server, `room ${i}`));
    const { bodies } = await onlineClient(server, clock);
    server.online("bob")[0]!.cut();
    await settle();
    for (const { say } of all) say(1, 2);
    server.say("ann", "bob", "by the inbox");
    let most = 0;
    let open = 0;
    const replies: (() => void)[] = [];
    server.answer = (packet, channel) => {
      if (packet.header.command !== HISTORY) return undefined;
      most = Math.max(most, ++open);
      replies.push(() => {
        open--;
        const body = server.groups.answer(packet, channel.account);
        if (typeof body === "object") channel.reply(packet.header, 0, body);
      });
      return "silence";
    };
    clock.advance(1_000);
    for (let i = 0; i < 60; i++) {
      await settle();
      replies.shift()?.();
    }
    await settle();
    expect(most).toBe(4);
    expect(bodies()).toHaveLength(81);
    expect(server.asked(SYNC, pkt.SyncReq).length).toBeLessThan(3);
  });

  test("a connection that breaks while many are asked for leaves none behind", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const all = Array.from({ length: 12 }, (_, i) => large(server, `room ${i}`));
    const { bodies } = await onlineClient(server, clock);
    server.online("bob")[0]!.cut();
    await settle();
    for (const { say } of all) say(1, 2);
    server.answer = ({ header }) => header.command === HISTORY ? "silence" : undefined;
    for (let i = 0; i < 3; i++) {
      clock.advance(1_000);
      await settle();
      server.online("bob")[0]?.cut();
      await settle();
    }
    expect(bodies()).toEqual([]);
    server.answer = () => undefined;
    for (let i = 0; i < 10; i++) {
      clock.advance(1_000);
      await settle();
    }
    expect(bodies()).toHaveLength(24);
    for (const { say } of all) say(3);
    await settle();
    expect(bodies()).toHaveLength(36);
  });

  test("handlers that are slow are waited for, and nothing is lost", async () => {
    const server = new FakeServer();
    const clock = new FakeClock();
    const { say } = large(server);
    const { client, bodies } = await onlineClient(server, clock);
    let release = () => {};
    client.onMessage(() => new Promise<void>((resolve) => release = resolve));
    say(1, 1_500);
    for (let i = 0; bodies().length < 1_500 && i < 5_000; i++) {
      await settle();
      release();
      clock.advance(10);
    }
    expect(bodies()).toEqual(numbers(1, 1_500));
  });
});
