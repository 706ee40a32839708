import { describe, expect, test } from "bun:test";
import { decodeBody } from "../../protocol/bodies.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import { encodeBasic, NO_BODY } from "../../protocol/packet.ts";
import { type Client, GROUP, quiet, RoomsBench, upTo } from "./rooms_bench.fixture.ts";

const ping = (bench: RoomsBench, { channel }: Client) => bench.gateway.receive(channel, encodeBasic(1, NO_BODY));
describe("a room's pushes", () => {
  test("reach everybody in it once and in order, the sender's channel excepted", () => {
    const { bench, ann } = quiet();
    const cat = bench.client("cat", true);
    const away = bench.client("eve", true, []);
    bench.say("bob");
    bench.say("ann", ann.channel.id);
    bench.say("ann", "a channel of another device");
    expect([ann, cat, away].map((one) => one.seqs())).toEqual([[1, 3], [1, 2, 3], []]);
  });

  test("that come again, or late, change nothing", () => {
    const { bench, ann } = quiet();
    const [one, two, three] = [bench.store(), bench.store(), bench.store()];
    for (const message of [one, one, three, two, two, three, one]) bench.tell(message);
    expect(ann.seqs()).toEqual([1, 2, 3]);
    expect(bench.asked()).toEqual([]);
  });

  test("of a channel's own talk are not sent to it, also when they had to be fetched", () => {
    const { bench, ann } = quiet();
    const other = bench.client("ann2", true);
    bench.talk(ann); // its push is lost
    bench.tell(bench.talk(ann));
    bench.store();
    bench.settle(500);
    expect([ann.seqs(), other.seqs()]).toEqual([[3], [1, 2, 3]]);
    const late = bench.client("cat", true, [{ group: GROUP, seq: 1 }]);
    bench.talk(late); // 4
    bench.settle(1_500);
    bench.say();
    bench.settle(1_500);
    expect(late.seqs()).toEqual([2, 3, 5]);
    const joining = bench.client("dan", true, []);
    bench.tell(bench.talk(joining)); // 6: the group became large, its channels are told in a moment
    bench.change(joining, true, 5);
    bench.settle(1_500);
    bench.say();
    expect(joining.seqs()).toEqual([7]);
  });

  test("that are missing are fetched after 200 ms, what followed waits for them", () => {
    const { bench, ann } = quiet();
    bench.say();
    const lost = bench.store();
    for (let i = 0; i < 3; i++) bench.say();
    bench.clock.advance(150);
    expect([ann.seqs(), bench.asked()]).toEqual([[1], []]);
    bench.clock.advance(100);
    expect(decodeBody(pkt.RoomFillReq, bench.asked()[0]!.body)).toEqual({
      app: "kim",
      groupId: GROUP,
      after: 1,
      limit: 64,
    });
    bench.serve();
    bench.tell(lost);
    expect(ann.seqs()).toEqual([1, 2, 3, 4, 5]);
  });

  test("of which more than 64 are held are fetched page by page", () => {
    const { bench, ann } = quiet();
    bench.store();
    for (let i = 0; i < 300; i++) bench.say();
    bench.settle();
    expect(ann.seqs()).toEqual(upTo(301));
  });

  test("that are lost at the end are noticed a second after a ping", () => {
    const { bench, ann } = quiet();
    bench.store();
    bench.store();
    bench.settle();
    expect(ann.seqs()).toEqual([]);
    ping(bench, ann);
    bench.settle(1_200);
    expect(ann.seqs()).toEqual([1, 2]);
  });

  test("for nobody here, of another app, or of another gateway are dropped", () => {
    const { bench, ann } = quiet();
    const message = bench.store();
    bench.tell(message, "g2");
    bench.tell(message, GROUP, { app: "other" });
    bench.settle();
    expect([ann.seqs(), bench.gateway.rooms.size]).toEqual([[], 1]);
  });

  test("stay with their app: the same group id in two apps is two rooms", () => {
    const { bench, ann } = quiet();
    const channel = bench.first(ann.wire, bench.token("ann", undefined, "other"));
    expect("at" in channel).toBe(false);
    bench.tell(bench.store(), GROUP, { app: "other" });
    expect(ann.seqs()).toEqual([]);
  });
});

describe("heads", () => {
  test("are asked for once a second, for rooms whose channels pinged, a thousand in one question", () => {
    const bench = new RoomsBench();
    const rooms = Array.from({ length: 2_500 }, (_, i) => ({ group: `g${i}`, seq: 0 }));
    const ann = bench.client("ann", true, rooms);
    bench.settle();
    for (let i = 0; i < 5; i++) ping(bench, ann);
    bench.forgetAsked();
    bench.clock.advance(1_000);
    const asked = bench.asked("im.room.heads").map(({ body }) => decodeBody(pkt.RoomHeadsReq, body).items.length);
    expect(asked).toEqual([1_000, 1_000, 500]);
    bench.forgetAsked();
    bench.clock.advance(3_000);
    expect(bench.asked("im.room.heads")).toEqual([]);
  });

  test("are asked for when a room is new: what was pushed before it was here is fetched", () => {
    const bench = new RoomsBench();
    const ann = bench.loggingIn("ann", true);
    bench.say();
    bench.say();
    bench.opened(ann, [{ group: GROUP, seq: 0 }]);
    expect(ann.seqs()).toEqual([]);
    bench.settle(1_500);
    expect(ann.seqs()).toEqual([1, 2]);
  });

  test("below what was sent are those of an older copy of the store: everybody has to come again, and soon", () => {
    const bench = new RoomsBench();
    const clients = [true, false].map((ours) => bench.client(`client${ours}`, ours, [{ group: GROUP, seq: 0 }]));
    for (let i = 0; i < 5; i++) bench.say();
    bench.settle();
    const closed = () => clients.map(({ wire }) => wire.closed);
    expect(closed()).toEqual([undefined, undefined]);
    bench.log(GROUP).length = 2;
    bench.say();
    bench.settle(1_500); // nobody pinged
    expect(closed()).toEqual([CLOSE.INTERNAL, CLOSE.INTERNAL]);
  });

  test("are asked for when any link is lost or found: pushes may have been on it", () => {
    const bench = new RoomsBench({}, ["chat1", "chat2"]);
    const clients = ["ann", "bea", "cat", "dan", "eve", "fay"].map((name) => bench.loggingIn(name, true));
    for (const one of clients) bench.opened(one, [{ group: GROUP, seq: 0 }]);
    bench.settle();
    bench.store();
    bench.links.get("chat2")!.link.cut();
    bench.serve();
    bench.settle(500);
    for (const one of clients) expect(one.seqs()).toEqual([1]);
    bench.store();
    bench.addLogic("chat3");
    bench.settle(500);
    for (const one of clients) expect(one.seqs()).toEqual([1, 2]);
  });
});

describe("members", () => {
  test("who join are sent what is above their seq; who leave, what is up to theirs", () => {
    const { bench, ann } = quiet();
    const cat = bench.client("cat", true, []);
    bench.say();
    bench.change(cat, true, 1);
    bench.say();
    const [three, four] = [bench.store(), bench.store()];
    bench.change(cat, false, 3);
    bench.tell(three);
    bench.tell(four);
    bench.say();
    expect([ann.seqs(), cat.seqs()]).toEqual([upTo(5), [2, 3]]);
  });

  test("who leave while they are late are sent what was theirs, and are gone then", () => {
    const { bench } = quiet();
    for (let i = 0; i < 5; i++) bench.say();
    const cat = bench.client("cat", true, [{ group: GROUP, seq: 0 }]);
    bench.change(cat, false, 3);
    bench.settle();
    bench.say();
    expect(cat.seqs()).toEqual([1, 2, 3]);
  });

  test("who leave and come back are not sent what was said meanwhile", () => {
    const { bench, ann } = quiet();
    bench.change(ann, false, 2);
    const messages = upTo(4).map(() => bench.store());
    bench.change(ann, true, 3);
    for (const message of messages) bench.tell(message);
    bench.settle();
    expect(ann.seqs()).toEqual([1, 2, 4]);
  });

  test("who come and go while they are late are sent what was said while they were in", () => {
    const { bench } = quiet();
    for (let i = 0; i < 10; i++) bench.say();
    const cat = bench.client("cat", true, [{ group: GROUP, seq: 0 }]);
    bench.change(cat, false, 2);
    bench.change(cat, true, 4);
    bench.change(cat, false, 5);
    bench.change(cat, false, 5);
    bench.change(cat, true, 8);
    bench.serve();
    bench.say();
    expect(cat.seqs()).toEqual([1, 2, 5, 9, 10, 11]);
    for (let i = 0; i < 100; i++) {
      bench.change(cat, false, 11 + i);
      bench.change(cat, true, 11 + i);
    }
    bench.settle();
  });

  test("who change while their login is answered: the change is newer than the answer", () => {
    const { bench } = quiet();
    const cat = bench.loggingIn("cat", true);
    bench.change(cat, false, 0);
    bench.change(cat, true, 0, "g2");
    bench.opened(cat, [{ group: GROUP, seq: 0 }, { group: "g3", seq: 0 }]);
    for (const group of [GROUP, "g2", "g3"]) bench.say("bob", "", group);
    expect([GROUP, "g2", "g3"].map((group) => cat.seqs(group))).toEqual([[], [1], [1]]);
  });

  test("whose rooms change without end while they log in have to come again", () => {
    const { bench } = quiet();
    const cat = bench.loggingIn("cat", true);
    for (let i = 0; i < 300; i++) bench.change(cat, true, 0, `g${i}`);
    expect(cat.wire.closed).toEqual(CLOSE.OVERLOAD);
  });

  test("stay in when a change comes that is older than their last one", () => {
    const { bench } = quiet();
    for (let i = 0; i < 5; i++) bench.say();
    const cat = bench.client("cat", true, [{ group: GROUP, seq: 3 }]);
    bench.change(cat, false, 2);
    bench.change(cat, true, 1);
    bench.settle();
    expect(cat.seqs()).toEqual([4, 5]);
  });

  test("who are kicked are sent nothing more; the last one takes the room along", () => {
    const { bench, ann } = quiet();
    const old = bench.client("dan", false);
    for (const { channel } of [ann, old]) {
      bench.push(channel, 0, { header: makeHeader("login.signin", { flag: FLAG.PUSH }) });
    }
    bench.change(ann, true, 0);
    bench.say();
    bench.settle(1_000);
    expect([ann.seqs(), old.seqs(), bench.gateway.rooms.size]).toEqual([[], [], 0]);
  });

  test("who close are forgotten, also with a page, rows or heads under way", () => {
    const { bench, ann } = quiet();
    for (let i = 0; i < 5; i++) bench.say();
    const clients = [ann, bench.client("cat", true, [{ group: GROUP, seq: 0 }]), bench.client("dan", false)];
    bench.say();
    for (const { channel } of clients) bench.gateway.disconnected(channel, CLOSE.GONE);
    expect(bench.gateway.rooms.size).toBe(0);
    bench.settle();
    expect(bench.asked()).toEqual([]);
  });
});
