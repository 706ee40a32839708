import { describe, expect, test } from "bun:test";
import { GROUP, quiet, upTo } from "./rooms_bench.fixture.ts";

describe("a confused logic server", () => {
  test("whose pushes cannot be read, or have wild numbers, harms no other message", () => {
    const { bench, ann } = quiet();
    const message = bench.say();
    bench.tell(message, GROUP, { body: Uint8Array.of(255, 255, 255), seq: 2 });
    bench.tell(message, GROUP, { seq: 4_000_000_000 });
    bench.tell(message, GROUP, { seq: 0.5 });
    for (let i = 0; i < 10; i++) bench.say();
    expect(ann.seqs().slice(0, 11)).toEqual(upTo(11));
    bench.forgetAsked();
    bench.clock.advance(10_000); // what was named is looked for, but not more often than five times a second
    expect(bench.asked("im.room.fill").length).toBeLessThanOrEqual(50);
  });

  test("whose answers cannot be read is asked again", () => {
    const { bench, ann } = quiet();
    const old = bench.client("dan", false);
    bench.settle();
    bench.store();
    bench.say();
    bench.clock.advance(250);
    const spoil = () => {
      const asked = bench.asked();
      bench.forgetAsked();
      for (const request of asked) bench.reply(request, 0, 0, Uint8Array.of(255, 255));
      return asked.map(({ header }) => header.command);
    };
    expect(spoil()).toEqual(["im.room.fill"]);
    bench.clock.advance(250);
    bench.serve((command) => command === "im.room.rows");
    bench.clock.advance(1_000);
    expect(spoil()).toEqual(["im.room.rows"]);
    bench.settle();
    expect([ann.seqs(), old.seqs()]).toEqual([[1, 2], [1, 2]]);
  });

  test("that answers nothing is asked again after 4 s", () => {
    const { bench, ann } = quiet();
    bench.store();
    bench.say();
    bench.clock.advance(250);
    bench.forgetAsked();
    bench.clock.advance(5_500);
    expect(bench.asked("im.room.fill").length).toBe(1);
    bench.settle();
    expect(ann.seqs()).toEqual([1, 2]);
  });
});
