import { describe, expect, test } from "bun:test";
import { talk } from "../../tests/contract/message_talk.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { ImError } from "../base/errors.ts";
import { Metrics } from "../base/metrics.ts";
import { Batcher, type BatcherOptions } from "./batcher.ts";
import type { Appended, AppendRequest, AppendResult, MessageStore } from "./message_store.ts";

/** A store whose calls end when the test says so. */
class SlowStore {
  readonly calls: { bodies: string[]; end: (results?: AppendResult[]) => void; fail: (error: Error) => void }[] = [];
  readonly acks: string[] = [];
  ackFails = false;
  #seq = 0;

  append(batch: readonly AppendRequest[]): Promise<AppendResult[]> {
    return new Promise((resolve, reject) => {
      const end = (results: AppendResult[] = batch.map(() => appended(++this.#seq))) => resolve(results);
      this.calls.push({ bodies: batch.map((one) => one.body), end, fail: reject });
    });
  }

  ack(app: string, account: string, device: string, pos: number): Promise<number> {
    this.acks.push(`${app}/${account}/${device}:${pos}`);
    return this.ackFails ? Promise.reject(new ImError("SYSTEM", "no")) : Promise.resolve(pos);
  }
}

function appended(seq: number): Appended {
  return { messageId: BigInt(seq), sendTime: 1n, seq, senderPos: seq, receiverPos: seq, duplicate: false };
}

function setUp(options: Partial<BatcherOptions> = {}) {
  const clock = new FakeClock(), metrics = new Metrics(), store = new SlowStore();
  const batcher = new Batcher(store as unknown as MessageStore, { clock, metrics, ...options });
  const say = (body: string, over: Partial<AppendRequest> = {}) =>
    batcher.append(talk("ann", "bob", { body, ...over }));
  return { clock, metrics, store, batcher, say };
}

/** Until everything that was due at the end of this tick has run. */
const tick = () => new Promise((resolve) => setTimeout(resolve, 1));
const codeOf = (promise: Promise<unknown>) => promise.then(() => "stored", (error: ImError) => error.code);

describe("Batcher", () => {
  test("hands over at the end of the tick; what comes meanwhile is the next batch, one at a time", async () => {
    const { store, say, metrics } = setUp();
    const first = [say("1"), say("2")];
    expect(store.calls).toHaveLength(0);
    await tick();
    expect(store.calls.map((call) => call.bodies)).toEqual([["1", "2"]]);
    const second = [say("3"), say("4")];
    await tick();
    expect(metrics.read("petrel_store_queue_messages")).toBe(2);
    expect(store.calls).toHaveLength(1);
    store.calls[0]!.end();
    expect((await Promise.all(first)).map((one) => one.seq)).toEqual([1, 2]);
    expect(store.calls[1]?.bodies).toEqual(["3", "4"]);
    store.calls[1]!.end();
    expect((await Promise.all(second)).map((one) => one.seq)).toEqual([3, 4]);
    expect(metrics.read("petrel_store_batch_size")).toBe(2);
    expect(metrics.read("petrel_store_queue_messages")).toBe(0);
    expect(metrics.read("petrel_store_queue_bytes")).toBe(0);
  });

  test("a batch has 256 messages at most, and order is kept over batches", async () => {
    const { store, say } = setUp();
    const all = Promise.all(Array.from({ length: 600 }, (_, i) => say(`${i}`)));
    for (const size of [256, 256, 88]) {
      await tick();
      const call = store.calls.at(-1)!;
      expect(call.bodies).toHaveLength(size);
      call.end();
    }
    expect((await all).map((one) => one.seq)).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
    expect(store.calls.flatMap((call) => call.bodies)).toEqual(Array.from({ length: 600 }, (_, i) => `${i}`));
  });

  test("each request gets its own answer, good or bad", async () => {
    const { store, say } = setUp();
    const both = [say("1"), say("2")];
    await tick();
    store.calls[0]!.end([new ImError("DUPLICATE_ID", "other"), appended(7)]);
    expect(await codeOf(both[0]!)).toBe("DUPLICATE_ID");
    expect((await both[1]!).seq).toBe(7);
  });

  test("when the call itself fails, everyone in it gets that error, and the next batch goes", async () => {
    const { store, say } = setUp();
    const both = Promise.all([say("1"), say("2")].map(codeOf));
    await tick();
    const next = say("3");
    store.calls[0]!.fail(new Error("network"));
    expect(await both).toEqual(["SYSTEM", "SYSTEM"]);
    store.calls[1]!.end();
    expect((await next).seq).toBe(1);
  });

  test("a full queue is BUSY, by count and by bytes, but not for what may be stored already", async () => {
    for (const limit of [{ maxCount: 3 }, { maxBytes: 600 }]) {
      const { store, say, metrics } = setUp(limit);
      const waiting = [say("1"), say("2"), say("3")];
      expect(await codeOf(say("4"))).toBe("BUSY");
      const again = say("5", { again: true });
      expect(metrics.read("petrel_store_refused_total")).toBe(1);
      await tick();
      store.calls[0]!.end();
      await Promise.all([...waiting, again]);
      const later = say("6");
      await tick();
      store.calls[1]!.end();
      expect((await later).seq).toBe(5);
    }
  });

  test("while a commit hangs, what could not start in time is BUSY, but not what may be stored already", async () => {
    const { clock, store, say } = setUp();
    const hanging = say("hangs");
    await tick();
    const late = say("late", { startBy: 1_000 });
    const again = say("again", { startBy: 1_000, again: true });
    const patient = say("patient", { startBy: 9_000 });
    clock.advance(900);
    expect(await Promise.race([codeOf(late), tick().then(() => "waits")])).toBe("waits");
    clock.advance(400);
    expect(await codeOf(late)).toBe("BUSY");
    store.calls[0]!.end();
    await hanging;
    expect(store.calls[1]?.bodies).toEqual(["again", "patient"]);
    store.calls[1]!.end();
    expect((await Promise.all([again, patient])).map((one) => one.seq)).toEqual([2, 3]);
  });

  test("a batch of which all were too late is not handed over", async () => {
    const { clock, store, say, batcher } = setUp();
    const hanging = say("hangs");
    await tick();
    const late = codeOf(say("late", { startBy: 100 }));
    clock.advance(300);
    expect(await late).toBe("BUSY");
    store.calls[0]!.end();
    await hanging;
    await batcher[Symbol.asyncDispose]();
    expect(store.calls).toHaveLength(1);
  });

  test("acks of one device become one, the highest, and go with the next batch", async () => {
    const { store, say, batcher } = setUp();
    const first = say("1");
    await tick();
    const acks = [3, 5, 4].map((pos) => batcher.ack("kim", "ann", "phone", pos));
    acks.push(batcher.ack("kim", "ann", "", 1), batcher.ack("other", "ann", "phone", 2));
    await tick();
    expect(store.acks).toEqual([]);
    const second = say("2");
    store.calls[0]!.end();
    await first;
    expect(store.acks).toEqual(["kim/ann/phone:5", "kim/ann/:1", "other/ann/phone:2"]);
    expect(store.calls).toHaveLength(2);
    expect(await Promise.all(acks)).toEqual([5, 5, 5, 1, 2]);
    store.calls[1]!.end();
    await second;
  });

  test("acks alone go at the end of the tick, are bounded, and fail alone", async () => {
    const { store, say, batcher } = setUp({ maxCount: 2 });
    const acks = ["a", "b", "c"].map((name) => codeOf(batcher.ack("kim", name, "", 1)));
    expect(await acks[2]).toBe("BUSY");
    store.ackFails = true;
    const talked = say("1");
    await tick();
    expect(await Promise.all(acks)).toEqual(["SYSTEM", "SYSTEM", "BUSY"]);
    store.calls[0]!.end();
    expect((await talked).seq).toBe(1);
  });

  test("disposal takes nothing more and waits for what was taken", async () => {
    const { store, say, batcher } = setUp();
    const taken = say("1");
    const disposed = batcher[Symbol.asyncDispose]();
    expect(await codeOf(say("2"))).toBe("CLOSED");
    expect(await codeOf(batcher.ack("kim", "ann", "", 1))).toBe("CLOSED");
    await tick();
    store.calls[0]!.end();
    await disposed;
    expect((await taken).seq).toBe(1);
    await batcher[Symbol.asyncDispose]();
  });
});
