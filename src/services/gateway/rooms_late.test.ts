import { describe, expect, test } from "bun:test";
import { GROUP, quiet, upTo } from "./rooms_bench.fixture.ts";

describe("a channel that enters late", () => {
  test("is sent what it lacks before anything newer, and nothing twice", () => {
    const { bench, ann } = quiet();
    for (let i = 0; i < 5; i++) bench.say();
    const cat = bench.client("cat", true, [{ group: GROUP, seq: 2 }]);
    bench.say();
    expect(cat.seqs()).toEqual([]);
    bench.serve();
    bench.say();
    expect(cat.seqs()).toEqual([3, 4, 5, 6, 7]);
    expect(ann.seqs()).toEqual(upTo(7));
  });

  test("shares its pages with others, and a page that fails is asked again", () => {
    const { bench } = quiet();
    for (let i = 0; i < 200; i++) bench.say();
    bench.forgetAsked();
    const late = upTo(40).map((i) => bench.client(`late${i}`, true, [{ group: GROUP, seq: i }]));
    expect(bench.asked("im.room.fill").length).toBe(1);
    bench.serve(() => true);
    bench.settle(1_500);
    late.forEach((one, i) => expect(one.seqs()).toEqual(upTo(200, i + 2)));
  });

  test("and does not read is caught up when it does", () => {
    const { bench } = quiet();
    for (let i = 0; i < 5; i++) bench.say();
    const cat = bench.loggingIn("cat", true);
    cat.wire.queuedPushBytes = 100 << 10;
    bench.opened(cat, [{ group: GROUP, seq: 0 }]);
    bench.settle();
    expect(cat.seqs()).toEqual([]);
    cat.wire.queuedPushBytes = 0;
    bench.settle(1_500);
    expect(cat.seqs()).toEqual(upTo(5));
  });

  test("was told more than the room has: the room fetches up to there, the channel is sent what is above", () => {
    const { bench, ann } = quiet();
    for (let i = 0; i < 3; i++) bench.store();
    const cat = bench.client("cat", true);
    bench.settle(500);
    bench.say();
    expect([ann.seqs(), cat.seqs()]).toEqual([[1, 2, 3, 4], [4]]);
  });
});

describe("a channel that left", () => {
  test("is not in although its joining comes after, by another server; it is sent what was said between", () => {
    const { bench } = quiet();
    for (let i = 0; i < 8; i++) bench.say();
    const cat = bench.client("cat", true, []);
    bench.change(cat, false, 7);
    bench.change(cat, true, 5);
    bench.settle();
    bench.say();
    expect([cat.seqs(), bench.gateway.rooms.groupsOf(cat.channel)]).toEqual([[6, 7], []]);
    bench.change(cat, true, 9);
    bench.say();
    expect(cat.seqs()).toEqual([6, 7, 10]);
    bench.change(cat, false, 10);
    bench.change(cat, true, 9);
    bench.say();
    expect(cat.seqs()).toEqual([6, 7, 10]);
  });

  test("nor when both come while its login is answered", () => {
    const { bench } = quiet();
    const cat = bench.loggingIn("cat", true);
    bench.change(cat, false, 7);
    bench.change(cat, true, 5);
    bench.opened(cat, []);
    expect(bench.gateway.rooms.groupsOf(cat.channel)).toEqual([]);
  });

  test("and is back before its login is answered is in, although it hears of its leaving only now", () => {
    const { bench } = quiet();
    for (let i = 0; i < 5; i++) bench.say();
    const cat = bench.loggingIn("cat", true);
    bench.change(cat, false, 2);
    bench.opened(cat, [{ group: GROUP, seq: 5 }]);
    bench.say();
    expect(cat.seqs()).toEqual([6]);
  });

  test("while its login was answered is sent what was its own", () => {
    const { bench } = quiet();
    for (let i = 0; i < 5; i++) bench.say();
    const cat = bench.loggingIn("cat", true);
    bench.change(cat, false, 4);
    bench.opened(cat, [{ group: GROUP, seq: 2 }]);
    bench.member("cat", false, 4);
    bench.settle();
    bench.say();
    expect(cat.seqs()).toEqual([3, 4]);
  });

  test("is checked when its login, which does not name the room, was overtaken by the joining before", () => {
    const { bench } = quiet();
    const cat = bench.loggingIn("cat", true);
    bench.change(cat, true, 0);
    bench.member("cat", false, 0);
    bench.opened(cat, []);
    bench.settle();
    bench.say();
    expect(cat.seqs()).toEqual([]);
  });
});
