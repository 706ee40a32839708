// Over 300 lines: one test per rule of a channel (design promise 10).
import { describe, expect, test } from "bun:test";
import { TimerWheel } from "../base/timer_wheel.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import type { Arrival } from "./acceptor.ts";
import { Channel, type ChannelHost } from "./channel.ts";
import { CHANNEL_RULES } from "./channel_rules.ts";
import { ErrorLog, FakeConn, TestClock } from "./fake_conn.fixture.ts";
import { FlushList } from "./flush_list.ts";
import type { Agent, MessageListener } from "./listeners.ts";
import { QueueBudget } from "./queue_budget.ts";

const KIB = 1024;
const LIMIT = 256 * KIB;

class Host implements ChannelHost<string> {
  readonly clock = new TestClock();
  readonly log = new ErrorLog();
  readonly rules = CHANNEL_RULES;
  readonly wheel = new TimerWheel(this.clock);
  readonly flush = new FlushList(this.clock, this.log);
  readonly budget: QueueBudget;
  readonly messages: MessageListener<string>;
  readonly received: string[] = [];
  readonly leaves: CloseReason[] = [];
  onReceive: ((channel: Agent<string>, text: string) => void | Promise<void>) | undefined;

  constructor(budgetBytes?: number) {
    this.budget = new QueueBudget(this.flush, budgetBytes);
    this.messages = {
      receive: (channel, packet) => {
        const text = new TextDecoder().decode(packet);
        this.received.push(text);
        return this.onReceive?.(channel, text);
      },
    };
  }

  arrived(_channel: Channel<string>, _arrival: Arrival, packet: Uint8Array): void {
    this.received.push(`first ${new TextDecoder().decode(packet)}`);
  }

  left(_channel: Channel<string>, why: CloseReason): void {
    this.leaves.push(why);
  }

  /** An open channel and its connection. */
  join(remote?: string): { channel: Channel<string>; conn: FakeConn } {
    const conn = new FakeConn(remote);
    const channel = new Channel<string>(conn, this, 10_000);
    conn.events = channel;
    channel.open("c1", "ann");
    return { channel, conn };
  }

  /** A channel whose peer takes nothing; `bytes` of a push wait in its connection. */
  stuck(bytes = 1): { channel: Channel<string>; conn: FakeConn } {
    const one = this.join();
    one.conn.open = false;
    one.channel.push(new Uint8Array(bytes));
    this.clock.endTick();
    return one;
  }
}

const packet = (text: string) => new TextEncoder().encode(text);
const texts = (packets: readonly Uint8Array[] | undefined) => packets?.map((one) => new TextDecoder().decode(one));

describe("Channel", () => {
  test("packets of one tick leave in one send, in order, pushes and replies alike", () => {
    const host = new Host();
    const { channel, conn } = host.join();
    expect([channel.push(packet("a")), channel.reply(packet("b")), channel.push(packet("c"))]).toEqual([
      true,
      true,
      true,
    ]);
    expect(conn.sends.length).toBe(0);
    expect([channel.queuedPushBytes, channel.queuedReplyBytes, host.budget.bytes]).toEqual([2, 1, 3]);
    host.clock.endTick();
    expect(conn.sends.map(texts)).toEqual([["a", "b", "c"]]);
    expect([channel.queuedBytes, host.budget.bytes]).toEqual([0, 0]);
  });

  test("a busy connection is left alone until it has drained, then gets all that came meanwhile at once", () => {
    const host = new Host();
    const { channel, conn } = host.stuck(10);
    for (const text of ["a", "b", "c"]) {
      channel.push(packet(text));
      host.clock.endTick();
    }
    expect(conn.sends.length).toBe(1);
    expect(channel.queuedPushBytes).toBe(13);
    conn.open = true;
    conn.drain();
    expect(texts(conn.sends[1])).toEqual(["a", "b", "c"]);
    expect([channel.queuedBytes, host.budget.bytes]).toEqual([0, 0]);
  });

  test("256 KiB of waiting pushes are kept, one byte more closes the channel as SLOW and is not taken", () => {
    const host = new Host();
    const { channel, conn } = host.stuck(100 * KIB);
    expect(channel.push(new Uint8Array(156 * KIB))).toBe(true);
    expect(channel.queuedPushBytes).toBe(LIMIT);
    expect(conn.why).toBeUndefined();
    expect(channel.push(new Uint8Array(1))).toBe(false);
    expect(conn.calls).toEqual(["send 1", "close slow"]); // what was not handed over is in the store
    expect([host.leaves, host.budget.bytes]).toEqual([[CLOSE.SLOW], 0]);
  });

  test("bytes that the kernel took meanwhile do not count", () => {
    const host = new Host();
    const { channel, conn } = host.stuck(200 * KIB);
    conn.queuedBytes = 10 * KIB;
    expect(channel.queuedPushBytes).toBe(10 * KIB);
    expect(channel.push(new Uint8Array(240 * KIB))).toBe(true);
    expect(conn.why).toBeUndefined();
  });

  test("a burst of 20 MiB in one tick is no backlog when the peer takes it", () => {
    const host = new Host();
    const { channel, conn } = host.join();
    for (let i = 0; i < 320; i++) expect(channel.push(new Uint8Array(64 * KIB))).toBe(true);
    host.clock.endTick();
    expect(conn.sends.flat().length).toBe(320);
    expect([conn.why, host.budget.bytes]).toEqual([undefined, 0]);
  });

  test("a byte that waits 10 s closes the channel as SLOW, not before", () => {
    const host = new Host();
    const { conn } = host.stuck();
    host.clock.advance(9_999);
    expect(conn.why).toBeUndefined();
    host.clock.advance(300);
    expect(conn.why).toBe(CLOSE.SLOW);
  });

  test("the 10 s count from the oldest byte that still waits", () => {
    const host = new Host();
    const { channel, conn } = host.stuck();
    host.clock.advance(6_000);
    channel.push(packet("second")); // waits since here
    host.clock.advance(3_000);
    conn.drain(); // the first has left, the second is stuck now
    host.clock.advance(6_800);
    expect(conn.why).toBeUndefined();
    host.clock.advance(500);
    expect(conn.why).toBe(CLOSE.SLOW);
  });

  test("a slow peer that always catches up in time stays", () => {
    const host = new Host();
    const { channel, conn } = host.stuck();
    for (let i = 0; i < 20; i++) {
      host.clock.advance(8_000);
      conn.events.alive();
      conn.drain();
      channel.push(packet("more"));
      host.clock.endTick();
    }
    expect(conn.why).toBeUndefined();
  });

  test("replies are always taken; from 256 KiB on the channel is not read, below half it is again", () => {
    const host = new Host();
    const { channel, conn } = host.join();
    conn.open = false;
    channel.reply(new Uint8Array(200 * KIB)); // handed over at once: over 64 KiB
    expect(conn.paused).toBe(false);
    channel.reply(new Uint8Array(56 * KIB));
    expect(conn.paused).toBe(true);
    for (let i = 0; i < 100; i++) expect(channel.reply(new Uint8Array(64 * KIB))).toBe(true);
    expect(conn.why).toBeUndefined();
    conn.drain(); // the next block is 6 MiB: still too much
    expect(conn.paused).toBe(true);
    conn.drain();
    expect(conn.paused).toBe(false);
    expect(host.budget.bytes).toBe(0);
  });

  test("waiting replies do not use up the room of pushes, nor the other way round", () => {
    const host = new Host();
    const { channel, conn } = host.stuck(200 * KIB);
    for (let i = 0; i < 10; i++) channel.reply(new Uint8Array(64 * KIB));
    expect([conn.paused, conn.why]).toEqual([true, undefined]);
    expect(channel.push(new Uint8Array(50 * KIB))).toBe(true);
    expect([channel.queuedPushBytes, channel.queuedReplyBytes]).toEqual([250 * KIB, 640 * KIB]);
    expect(channel.push(new Uint8Array(7 * KIB))).toBe(false);
  });

  test("a reply that waits 10 s closes the channel too", () => {
    const host = new Host();
    const { channel, conn } = host.join();
    conn.open = false;
    channel.reply(packet("x"));
    host.clock.endTick();
    host.clock.advance(10_300);
    expect(conn.why).toBe(CLOSE.SLOW);
  });

  test("one reading pause ends only when all its reasons do", () => {
    const host = new Host();
    const { channel, conn } = host.join();
    conn.open = false;
    channel.pause();
    channel.reply(new Uint8Array(LIMIT));
    conn.drain();
    expect(conn.paused).toBe(true); // the owner's reason stands
    channel.resume();
    channel.resume();
    expect(conn.calls.filter((call) => call !== "send 1")).toEqual(["pause", "resume"]);
  });

  test("two minutes of silence close the channel as IDLE; any frame starts them over", () => {
    const host = new Host();
    const { conn } = host.join();
    for (let i = 0; i < 5; i++) {
      host.clock.advance(100_000);
      conn.events.alive();
    }
    host.clock.advance(119_000);
    expect(conn.why).toBeUndefined();
    host.clock.advance(1_500);
    expect(conn.why).toBe(CLOSE.IDLE);
  });

  test("the read deadline can be set per channel, also shorter, and be switched off", () => {
    const host = new Host();
    const short = host.join();
    const never = host.join();
    short.channel.readWaitMs = 5_000;
    never.channel.readWaitMs = 0;
    host.clock.advance(5_300);
    expect([short.conn.why, never.conn.why]).toEqual([CLOSE.IDLE, undefined]);
    host.clock.advance(1_000_000);
    expect(never.conn.why).toBeUndefined();
    expect(host.wheel.size).toBe(0);
  });

  test("while we do not read, silence is not the peer's fault", () => {
    const host = new Host();
    const { channel, conn } = host.join();
    channel.pause();
    host.clock.advance(600_000);
    expect(conn.why).toBeUndefined();
    channel.resume();
    host.clock.advance(119_000);
    expect(conn.why).toBeUndefined();
    host.clock.advance(1_500);
    expect(conn.why).toBe(CLOSE.IDLE);
  });

  test("a channel that is never opened closes after its wait, whatever it receives", () => {
    const host = new Host();
    const conn = new FakeConn();
    const channel = new Channel<string>(conn, host, 10_000);
    conn.events = channel;
    host.clock.advance(8_000);
    conn.events.alive();
    expect(channel.at).toBe("accepting");
    host.clock.advance(2_300);
    expect(conn.why).toBe(CLOSE.LOGIN_TIMEOUT);
  });

  test("closing hands over what waits, then says why; nothing is taken or told after that", () => {
    const host = new Host();
    const { channel, conn } = host.join();
    conn.quick = false;
    channel.push(packet("last"));
    channel.close(CLOSE.KICKED);
    expect(conn.calls).toEqual(["send 1", "close kicked"]);
    expect([channel.at, channel.push(packet("x")), channel.reply(packet("x"))]).toEqual(["draining", false, false]);
    conn.receives("too late");
    conn.events.pinged();
    channel.close(CLOSE.NORMAL);
    host.clock.endTick();
    host.clock.advance(300_000);
    expect(host.received).toEqual([]);
    conn.events.closed(CLOSE.KICKED);
    conn.events.closed(CLOSE.GONE);
    expect([channel.at, host.leaves, conn.calls.length]).toEqual(["closed", [CLOSE.KICKED], 2]);
    expect([host.budget.bytes, host.wheel.size]).toEqual([0, 0]);
  });

  test("a peer that goes while packets wait leaves nothing behind", () => {
    const host = new Host();
    const { channel, conn } = host.stuck(10);
    channel.push(packet("waiting"));
    const other = host.join();
    other.channel.push(packet("in this tick"));
    conn.gone();
    other.conn.gone();
    host.clock.endTick();
    conn.drain();
    expect([host.budget.bytes, host.wheel.size, other.conn.sends.length]).toEqual([0, 0, 0]);
    expect(channel.push(packet("x"))).toBe(false);
  });

  test("a listener that throws closes with INTERNAL and is logged once", () => {
    const host = new Host();
    const { conn } = host.join();
    host.onReceive = () => {
      throw new Error("planted");
    };
    conn.receives("x");
    conn.receives("y");
    expect(host.log.errors.map((error) => (error as Error).message)).toEqual(["planted"]);
    expect([host.leaves, host.received]).toEqual([[CLOSE.INTERNAL], ["x"]]);
  });

  test("a listener's promise that rejects does the same", async () => {
    const host = new Host();
    const { conn } = host.join();
    host.onReceive = () => Promise.reject(new Error("planted later"));
    conn.receives("x");
    await Promise.resolve();
    await Promise.resolve();
    expect(host.log.errors.length).toBe(1);
    expect(host.leaves).toEqual([CLOSE.INTERNAL]);
  });

  test("pings whose answers nobody reads close the channel", () => {
    const host = new Host();
    const { conn } = host.join();
    conn.queuedBytes = LIMIT + 1;
    conn.events.pinged();
    expect(conn.why).toBe(CLOSE.SLOW);
  });

  test("idle, it has no outbox; outboxes go round", () => {
    const host = new Host();
    const { channel } = host.join();
    channel.push(packet("a"));
    host.clock.endTick();
    const first = host.flush.outbox();
    expect([first.packets.length, first.bytes]).toEqual([0, 0]);
    host.flush.recycle(first);
    expect(host.flush.outbox()).toBe(first);
  });
});

describe("QueueBudget", () => {
  test("above the limit the longest queue closes first, and only as many as needed", () => {
    const host = new Host(300 * KIB);
    const sizes = [50, 120, 90].map((kib) => host.stuck(kib * KIB));
    expect(host.budget.bytes).toBe(260 * KIB);
    sizes[0]!.channel.push(new Uint8Array(60 * KIB)); // 110 now, 320 together
    expect(sizes.map(({ conn }) => conn.why)).toEqual([undefined, CLOSE.OVERLOAD, undefined]);
    expect(host.budget.bytes).toBe(200 * KIB);
  });

  test("what only waits for the end of the tick is sent before anybody is closed", () => {
    const host = new Host(100 * KIB);
    const all = Array.from({ length: 10 }, () => host.join());
    for (const { channel } of all) expect(channel.push(new Uint8Array(30 * KIB))).toBe(true);
    host.clock.endTick();
    expect(all.map(({ conn }) => conn.sends.flat().length)).toEqual(Array(10).fill(1));
    expect(host.budget.bytes).toBe(0);
    expect(all.every(({ conn }) => conn.why === undefined)).toBe(true);
  });

  test("when nobody's queue is stuck, nobody is closed", () => {
    const host = new Host(10);
    const { channel, conn } = host.join();
    expect(channel.push(new Uint8Array(1_000))).toBe(true);
    expect(conn.why).toBeUndefined();
    expect(host.budget.bytes).toBe(0);
  });

  test("the channel that pushes may be the longest itself", () => {
    const host = new Host(100 * KIB);
    const { channel, conn } = host.stuck(90 * KIB);
    expect(channel.push(new Uint8Array(20 * KIB))).toBe(false);
    expect([conn.why, host.budget.bytes]).toEqual([CLOSE.OVERLOAD, 0]);
  });
});
