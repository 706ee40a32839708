import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CLOSE } from "../../protocol/close_reason.ts";
import { decodeBody } from "../../protocol/bodies.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { RECENT } from "./room.ts";
import { type Client, GROUP, RoomsBench, upTo } from "./rooms_bench.fixture.ts";

function withOld(count: number): { bench: RoomsBench; old: Client[] } {
  const bench = new RoomsBench();
  const old = upTo(count).map((i) => bench.client(`old${i}`, false));
  bench.settle();
  return { bench, old };
}

describe("old clients in a room", () => {
  test("are sent a message when their rows were made, all of them by one question", () => {
    const { bench, old } = withOld(200);
    bench.say();
    expect(old[0]!.seqs()).toEqual([]);
    const asked = bench.asked();
    expect(asked.map(({ header }) => header.command)).toEqual(["im.room.rows"]);
    expect(decodeBody(pkt.RoomRowsReq, asked[0]!.body).accounts.length).toBe(200);
    bench.serve();
    for (const one of old) expect(one.seqs()).toEqual([1]);
  });

  test("more than 500 are asked for in several questions; the next one waits for them all", () => {
    const { bench, old } = withOld(1_100);
    bench.say();
    bench.say();
    expect(bench.asked("im.room.rows").length).toBe(3);
    bench.serve();
    for (const one of [old[0]!, old[600]!, old[1_099]!]) expect(one.seqs()).toEqual([1, 2]);
  });

  test("are not shown their own messages, and what follows is not held up by them", () => {
    const { bench, old } = withOld(2);
    bench.say("old1", old[0]!.channel.id);
    bench.say("bob");
    bench.serve();
    expect(old.map((one) => one.seqs())).toEqual([[2], [1, 2]]);
    expect(bench.asked()).toEqual([]);
  });

  test("get messages that came while rows were made by the next question", () => {
    const { bench, old } = withOld(1);
    bench.say();
    for (let i = 0; i < 20; i++) bench.say();
    expect(bench.asked("im.room.rows").length).toBe(1);
    bench.serve();
    expect(old[0]!.seqs()).toEqual(upTo(21));
  });

  test("who are many are asked for ten times a second at most, and nothing they are sent is missing", () => {
    const { bench, old } = withOld(200);
    let asked = 0;
    for (let i = 0; i < 100; i++) { // two seconds of a message every 20 ms
      bench.say();
      asked += bench.asked("im.room.rows").length;
      bench.serve();
      bench.clock.advance(20);
    }
    expect(asked).toBeGreaterThan(10);
    expect(asked).toBeLessThan(22);
    bench.settle(200);
    for (const one of old) expect(one.seqs()).toEqual(upTo(100));
  });

  test("who are many wait for the next question although nothing more is said", () => {
    const { bench, old } = withOld(200);
    bench.say();
    bench.serve();
    bench.say();
    bench.serve();
    expect(old[0]!.seqs()).toEqual([1]);
    bench.settle(200);
    expect(old[0]!.seqs()).toEqual([1, 2]);
  });

  test("who are few are asked for with each message", () => {
    const { bench, old } = withOld(10);
    for (let i = 0; i < 5; i++) {
      bench.say();
      bench.serve();
    }
    expect(old[0]!.seqs()).toEqual(upTo(5));
  });

  test("keep the order of their inbox, whatever else is in it", () => {
    const { bench, old: [ann] } = withOld(1);
    bench.say();
    bench.inbox("old1").push({ group: GROUP, seq: 1 }); // a position that something else was stored for first
    bench.push(ann!.channel, 1);
    bench.serve();
    expect(ann!.wire.out.filter(({ header }) => header.flag === 2).map(({ header }) => header.dest)).toEqual([
      "ann",
      GROUP,
    ]);
  });

  test("whose rows could not be made get them in a second", () => {
    const { bench, old: [ann] } = withOld(1);
    bench.say();
    bench.serve(() => true);
    expect(ann!.seqs()).toEqual([]);
    bench.settle(1_500);
    expect(ann!.seqs()).toEqual([1]);
  });

  test("are asked for no more when the last has gone, and again when one comes", () => {
    const bench = new RoomsBench();
    bench.client("our", true);
    const first = bench.client("old1", false);
    bench.settle();
    bench.say();
    bench.serve(() => true);
    bench.gateway.disconnected(first.channel, CLOSE.GONE);
    bench.settle(2_000);
    const second = bench.client("old2", false);
    bench.say();
    bench.settle(500);
    expect(second.seqs()).toEqual([2]);
  });

  test("behind more messages than are kept for them read the rest from their inbox", () => {
    const { bench, old: [ann] } = withOld(1);
    for (let i = 0; i < RECENT.messages * 3; i++) bench.say();
    bench.settle();
    expect(ann!.seqs()).toEqual(upTo(RECENT.messages * 3));
  });

  test("have rows of all their rooms made at once, and are sent each message from where it is at hand", () => {
    const bench = new RoomsBench();
    const ann = bench.client("ann", false, [{ group: GROUP, seq: 0 }, { group: "g2", seq: 0 }]);
    bench.settle();
    bench.say();
    bench.say("bob", "", "g2");
    bench.serve();
    expect([ann.seqs(), ann.seqs("g2")]).toEqual([[1], [1]]);
    bench.settle(500);
    expect(bench.asked("im.fill")).toEqual([]);
  });

  test("that left are sent what was stored before", () => {
    const { bench, old: [ann] } = withOld(1);
    bench.store();
    bench.change(ann!, false, 1);
    bench.settle(500);
    expect(ann!.seqs()).toEqual([1]);
    expect(bench.gateway.rooms.size).toBe(0);
  });

  test("beside a device of ours: each is sent each message, ours the row with its position, without a wait", () => {
    const bench = new RoomsBench();
    const [old, our] = [bench.client("ann", false), bench.client("ann", true)];
    bench.settle();
    bench.say();
    bench.serve();
    expect([old.seqs(), our.seqs(), our.positions()]).toEqual([[1], [1, 1], [0, 1]]);
    bench.push(our.channel, 2);
    expect(our.positions()).toEqual([0, 1, 2]);
  });
});

describe("5,000 channels that do not read", () => {
  test("cost one encoding a message, one question for rows a room at a time, and no page", () => {
    const bench = new RoomsBench();
    const clients = upTo(5_000).map((i) => {
      const client = bench.loggingIn(`a${i}`, i % 2 === 0);
      bench.opened(client, [{ group: GROUP, seq: 0 }]);
      client.wire.queuedPushBytes = 200 << 10;
      return client;
    });
    bench.settle(1_500);
    bench.forgetAsked();
    for (let i = 0; i < 100; i++) bench.say();
    expect(bench.asked("im.room.rows").length).toBe(5); // 2,500 accounts
    const [one, two] = [clients[1]!, clients[3]!].map(({ wire }) => wire.raw.slice(-100));
    expect(one!.length).toBe(100);
    one!.forEach((bytes, i) => expect(bytes).toBe(two![i]!));
  });
});

test("whatever is lost, late, repeated or refused, everybody is sent exactly what was said while they were in", () => {
  const step = fc.record({
    what: fc.constantFrom("say", "say", "say", "lose", "late", "again", "serve", "refuse", "wait", "in", "out", "cut"),
    who: fc.nat(5),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const bench = new RoomsBench({}, ["chat1", "chat2"]);
      const clients = upTo(6).map((i) => bench.client(`a${i}`, i % 2 === 0));
      const windows = clients.map(() => [{ from: 0, to: Infinity }]);
      const delayed: ReturnType<RoomsBench["store"]>[] = [];
      let cut = false;
      for (const { what, who } of steps) {
        const client = clients[who]!;
        const last = windows[who]!.at(-1)!;
        if (what === "say") bench.say();
        else if (what === "lose") bench.store();
        else if (what === "late") delayed.push(bench.store());
        else if (what === "again") { for (const message of delayed.splice(0)) bench.tell(message); }
        else if (what === "serve") { for (const id of bench.links.keys()) bench.serve(undefined, id); }
        else if (what === "refuse") { for (const id of bench.links.keys()) bench.serve(() => true, id); }
        else if (what === "wait") bench.clock.advance(400);
        else if (what === "cut" && !cut) {
          cut = true;
          bench.links.get("chat2")!.link.cut();
        } else if (what === "in" && last.to < bench.log().length) {
          windows[who]!.push({ from: bench.log().length, to: Infinity });
          bench.change(client, true, bench.log().length);
        } else if (what === "out" && last.to === Infinity) {
          last.to = bench.log().length;
          bench.settle(2_500); // old clients' rows are the store's affair: here it stops making them at once
          bench.change(client, false, last.to);
          bench.settle(100);
        }
      }
      bench.say();
      bench.settle(6_000);
      clients.forEach((client, i) => {
        const wanted = windows[i]!.flatMap(({ from, to }) => upTo(Math.min(to, bench.log().length), from + 1));
        expect(client.seqs()).toEqual(wanted);
      });
    }),
    { numRuns: 100 },
  );
});
