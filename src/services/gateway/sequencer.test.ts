// A little over 300 lines: a row for each rule of the state machine, and its property test.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Filled, type Sequenced, SEQUENCER, Sequencer, type SequencerPort } from "./sequencer.ts";

const packet: Sequenced = { bytes: 100 };

/** A channel in front of a store: remembers what was written and what was asked. */
class Bench implements SequencerPort<string> {
  readonly written: number[] = [];
  readonly asked: { after: number; upTo: number }[] = [];
  readonly sequencer = new Sequencer<string>("c1", this);
  now = 0;

  write(_channel: string, _packet: Sequenced, pos: number): void {
    this.written.push(pos);
  }
  fill(_channel: string, after: number, upTo: number): void {
    this.asked.push({ after, upTo });
  }
  wait(): void {}
  givenUp = false;
  giveUp(): void {
    this.givenUp = true;
  }

  offer(...positions: number[]): void {
    for (const pos of positions) this.sequencer.offer(pos, packet, this.now);
  }
  expire(): void {
    this.now = Math.max(this.now, this.sequencer.deadlineMs);
    this.sequencer.expire();
  }
  fail(): void {
    this.sequencer.fillFailed(this.asked.shift()!.after, this.now);
  }
  /** Answers the oldest question from a store that holds 1…head, at most `rows` rows. */
  answer(head: number, rows = 64): void {
    const { after, upTo } = this.asked.shift()!;
    this.sequencer.filled(page(after, Math.min(upTo, head), rows), this.now);
  }
}

function page(after: number, upTo: number, rows: number): Filled {
  const last = Math.min(upTo, after + rows);
  return {
    after,
    rows: Array.from({ length: Math.max(0, last - after) }, (_, i) => ({ pos: after + 1 + i, packet })),
    scannedTo: Math.max(after, last),
  };
}

function live(cursor: number): Bench {
  const bench = new Bench();
  bench.sequencer.open(cursor, cursor);
  return bench;
}

describe("a live channel", () => {
  test("writes the next position, drops what it had", () => {
    const bench = live(10);
    bench.offer(11, 11, 9, 12, 12);
    expect(bench.written).toEqual([11, 12]);
  });

  test("holds what lies above and writes it once the gap closes", () => {
    const bench = live(0);
    bench.offer(3, 2, 4);
    expect(bench.written).toEqual([]);
    bench.offer(1);
    expect(bench.written).toEqual([1, 2, 3, 4]);
    expect(bench.sequencer.deadlineMs).toBe(Infinity);
    expect(bench.asked).toEqual([]);
  });

  test("asks for the gap after 200 ms and goes on behind it", () => {
    const bench = live(0);
    bench.offer(1, 4);
    expect(bench.sequencer.deadlineMs).toBe(SEQUENCER.holdMs);
    bench.expire();
    expect(bench.asked).toEqual([{ after: 1, upTo: 3 }]);
    bench.answer(4);
    expect(bench.written).toEqual([1, 2, 3, 4]);
  });

  test("asks at once when more than 64 packets are held, and fetches what it could not hold", () => {
    const bench = live(0);
    for (let pos = 2; pos <= 70; pos++) bench.offer(pos);
    expect(bench.sequencer.heldPackets).toBe(SEQUENCER.holdPackets);
    expect(bench.asked).toEqual([{ after: 0, upTo: 1 }]);
    bench.answer(70);
    while (bench.asked.length > 0) bench.answer(70);
    expect(bench.written).toEqual(Array.from({ length: 70 }, (_, i) => i + 1));
  });

  test("holds no more than 32 KiB", () => {
    const bench = live(0);
    for (let pos = 2; pos <= 10; pos++) bench.sequencer.offer(pos, { bytes: 10_000 }, 0);
    expect(bench.sequencer.heldPackets).toBe(3);
  });

  test("a reply stands for its position: nothing is written for it, and the next push follows", () => {
    const bench = live(0);
    bench.sequencer.answered(1, 0);
    bench.offer(2);
    bench.sequencer.answered(4, 0);
    bench.offer(5, 3);
    expect(bench.written).toEqual([2, 3, 5]);
    expect(bench.sequencer.cursor).toBe(5);
  });

  test("a fill does not write again what a reply answered", () => {
    const bench = live(0);
    bench.sequencer.answered(2, 0);
    bench.expire();
    bench.answer(2);
    expect(bench.written).toEqual([1]);
    expect(bench.sequencer.cursor).toBe(2);
  });

  test("a tail that was lost is fetched when the head is told", () => {
    const bench = live(5);
    bench.sequencer.head(7);
    expect(bench.asked).toEqual([{ after: 5, upTo: 7 }]);
    bench.offer(6);
    bench.answer(7);
    expect(bench.written).toEqual([6, 7]);
  });

  test("a tail that is known stays wanted when a failed fill is overtaken by the missing push", () => {
    const bench = live(5);
    bench.offer(7);
    bench.sequencer.head(10);
    bench.fail();
    bench.offer(6);
    expect(bench.written).toEqual([6, 7]);
    bench.expire();
    bench.answer(10);
    expect(bench.written).toEqual([6, 7, 8, 9, 10]);
  });

  test("a failed fill is asked again", () => {
    const bench = live(0);
    bench.sequencer.head(2);
    bench.fail();
    bench.expire();
    bench.answer(2);
    expect(bench.written).toEqual([1, 2]);
  });

  test("a packet without a position is written at once", () => {
    const bench = live(5);
    bench.offer(0);
    expect(bench.written).toEqual([0]);
  });
});

describe("before the login is answered", () => {
  test("pushes wait and follow the head at login", () => {
    const bench = new Bench();
    bench.offer(7, 6, 5);
    expect(bench.written).toEqual([]);
    bench.sequencer.open(5, 5);
    expect(bench.written).toEqual([6, 7]);
  });

  test("a client that resumes gets everything after its cursor", () => {
    const bench = new Bench();
    bench.sequencer.open(3, 6);
    expect(bench.asked).toEqual([{ after: 3, upTo: 6 }]);
    bench.answer(6);
    expect(bench.written).toEqual([4, 5, 6]);
  });
});

describe("an old client's index", () => {
  test("pushes are dropped while it pages, and fetched from where it ended", () => {
    const bench = live(10);
    bench.sequencer.sync(0, 300);
    bench.offer(11);
    bench.sequencer.sync(0, 8000);
    bench.sequencer.page(11);
    bench.offer(12, 13);
    bench.sequencer.sync(0, 3000);
    bench.sequencer.page(12);
    bench.sequencer.endSync();
    expect(bench.written).toEqual([]);
    bench.answer(13);
    expect(bench.written).toEqual([13]);
  });

  test("a client that never asks goes live after its quiet time with what came meanwhile", () => {
    const bench = live(10);
    bench.sequencer.sync(0, SEQUENCER.loginQuietMs);
    bench.offer(11, 12);
    bench.expire();
    bench.answer(12);
    bench.offer(13);
    expect(bench.written).toEqual([11, 12, 13]);
  });

  test("a first index that is given up half-way is filled from its last page, not from the head", () => {
    const bench = live(5000);
    bench.sequencer.sync(0, 300);
    bench.sequencer.sync(0, 8000);
    bench.sequencer.page(2000);
    bench.expire();
    while (bench.asked.length > 0) bench.answer(5000);
    expect(bench.written).toEqual(Array.from({ length: 3000 }, (_, i) => 2001 + i));
  });

  test("a first index that fails, or is not answered in time, gives the channel up: no hole behind its next ack", () => {
    const failed = live(100);
    failed.sequencer.sync(0, 300);
    failed.sequencer.index(0);
    failed.sequencer.indexFailed();
    expect(failed.givenUp).toBe(true);
    const late = live(100);
    late.sequencer.index(0);
    late.expire();
    expect(late.givenUp).toBe(true);
    expect([...failed.written, ...late.written]).toEqual([]);
  });

  test("a later page that fails goes on from the last one", () => {
    const bench = live(100);
    bench.sequencer.index(0);
    bench.sequencer.page(60);
    bench.sequencer.index(0);
    bench.sequencer.indexFailed();
    expect(bench.givenUp).toBe(false);
    while (bench.asked.length > 0) bench.answer(100);
    expect(bench.written).toEqual(Array.from({ length: 40 }, (_, i) => 61 + i));
  });

  test("a later index never goes back", () => {
    const bench = live(10);
    bench.sequencer.sync(0, 8000);
    bench.sequencer.page(10);
    bench.sequencer.endSync();
    bench.offer(11, 12);
    bench.sequencer.sync(0, 8000);
    bench.sequencer.page(4);
    bench.sequencer.endSync();
    bench.offer(13);
    expect(bench.written).toEqual([11, 12, 13]);
  });

  test("a fill from before the index went back is not taken", () => {
    const bench = live(100);
    bench.sequencer.head(110);
    bench.sequencer.sync(0, 8000);
    bench.sequencer.page(50);
    bench.sequencer.endSync();
    const [stale, fresh] = bench.asked.splice(0);
    bench.sequencer.filled(page(stale!.after, stale!.upTo, 64), 0);
    expect(bench.written).toEqual([]);
    bench.asked.push(fresh!);
    while (bench.asked.length > 0) bench.answer(110);
    expect(bench.written).toEqual(Array.from({ length: 60 }, (_, i) => 51 + i));
  });
});

test("whatever is lost, doubled or reordered, a live channel gets its inbox once, in order, without holes", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("append" as const), fate: fc.constantFrom("push", "lose", "late", "twice", "reply") }),
    fc.record({ do: fc.constant("release" as const), fate: fc.nat(5) }),
    fc.record({ do: fc.constant("answer" as const), fate: fc.constantFrom(1, 3, 64, 0) }),
    fc.record({ do: fc.constant("expire" as const), fate: fc.constant(0) }),
    fc.record({ do: fc.constant("head" as const), fate: fc.constant(0) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), fc.nat(50), (steps, start) => {
    const bench = live(start);
    let head = start;
    const late: number[] = [];
    const replied = new Set<number>();
    for (const { do: what, fate } of steps) {
      if (what === "append") {
        head++;
        if (fate === "push" || fate === "twice") bench.offer(head);
        if (fate === "twice" || fate === "late") late.push(head);
        if (fate === "reply") {
          replied.add(head);
          bench.sequencer.answered(head, bench.now);
        }
      } else if (what === "release") {
        const [pos] = late.splice(Number(fate) % Math.max(1, late.length), 1);
        if (pos !== undefined) bench.offer(pos);
      } else if (what === "answer" && bench.asked.length > 0) {
        if (fate === 0) {
          bench.fail();
        } else bench.answer(head, Number(fate));
      } else if (what === "expire" && bench.sequencer.deadlineMs < Infinity) bench.expire();
      else if (what === "head") bench.sequencer.head(head);
      const { known, cursor, filling, deadlineMs } = bench.sequencer;
      if (known > cursor && !filling) expect(deadlineMs).toBeLessThan(Infinity);
    }
    bench.sequencer.head(head);
    for (let i = 0; i < 1000 && bench.sequencer.cursor < head; i++) {
      if (bench.asked.length > 0) bench.answer(head);
      else if (bench.sequencer.deadlineMs < Infinity) bench.expire();
      else bench.sequencer.head(head);
    }
    const expected = Array.from({ length: head - start }, (_, i) => start + 1 + i).filter((pos) => !replied.has(pos));
    // A position whose reply came may be written too when its marker could not be held; clients know their own ids.
    expect(bench.written.filter((pos) => !replied.has(pos))).toEqual(expected);
    expect([...bench.written].sort((a, b) => a - b)).toEqual(bench.written);
  }));
});
