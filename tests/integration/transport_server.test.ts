import { describe, expect, test } from "bun:test";
import { dial } from "#runtime";
import { systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { CHANNEL_RULES } from "../../src/comm/channel_rules.ts";
import { Client } from "../../src/comm/client.ts";
import { CLOSE, type CloseReason } from "../../src/protocol/close_reason.ts";
import { OPCODE } from "../../src/protocol/frame.ts";
import { bytes, clientFrame, closeIn, framesIn, join, pause, text, until } from "../contract/listen_support.ts";
import { NetRaw } from "../contract/wirings.ts";
import { startScript } from "../support/processes.ts";
import { Running, TRANSPORTS } from "./transport_running.ts";

describe("a server on real sockets", () => {
  test.each(TRANSPORTS)("%s: logs in, echoes a hundred pipelined packets, and says goodbye", async (transport) => {
    await using running = await Running.start();
    const raw = await running.raw(transport);
    const packets = Array.from({ length: 100 }, (_, i) => clientFrame(transport, OPCODE.BINARY, bytes(`packet ${i}`)));
    raw.write(join([clientFrame(transport, OPCODE.BINARY, bytes("ann")), ...packets])); // all in one write
    await until(() => framesIn(transport, raw.received).length === 100, "all echoes");
    expect(framesIn(transport, raw.received).map(({ payload }) => text(payload))).toEqual(
      packets.map((_, i) => `packet ${i}`),
    );
    raw.write(clientFrame(transport, OPCODE.CLOSE));
    raw.end();
    await until(() => running.ends.length === 1, "the end");
    expect(running.ends[0]![0]).toBe("ann");
  });

  test.each(TRANSPORTS)("%s: a refused login gets its reply and the reason before the end", async (transport) => {
    await using running = await Running.start();
    const raw = await running.raw(transport, "nobody");
    await until(() => raw.ended, "the end of the stream");
    const frames = framesIn(transport, raw.received);
    expect(frames.map(({ opcode }) => opcode)).toEqual([OPCODE.BINARY, OPCODE.CLOSE]);
    expect(text(frames[0]!.payload)).toBe("not you");
    expect(closeIn(transport, raw.received)!.reason).toBe("unauthorized");
    raw.end();
    await until(() => running.server.connections === 0, "nobody is left");
    expect(running.ends.length).toBe(0);
  });

  test.each(TRANSPORTS)("%s: before the login 8 KiB are the limit, after it 64", async (transport) => {
    await using running = await Running.start();
    const early = await running.raw(transport, "x".repeat((8 << 10) + 1));
    await until(() => early.ended, "the end of the stream");
    expect(closeIn(transport, early.received)!.reason.length).toBeGreaterThan(0);
    early.end();
    const late = await running.raw(transport, "ann");
    late.write(clientFrame(transport, OPCODE.BINARY, new Uint8Array(64 << 10)));
    await until(() => framesIn(transport, late.received).length === 1, "the echo");
    late.write(clientFrame(transport, OPCODE.BINARY, new Uint8Array((64 << 10) + 1)));
    await until(() => late.ended, "the end of the stream");
    late.end();
    await until(() => running.ends.length === 1, "the end");
    expect(running.ends[0]).toEqual(["ann", CLOSE.TOO_LARGE]);
  });

  test.each(TRANSPORTS)("%s: a silent connection is dropped when its login does not come", async (transport) => {
    await using running = await Running.start({ loginWaitMs: 300 });
    const raw = await running.raw(transport);
    await until(() => raw.ended, "the end of the stream");
    expect(closeIn(transport, raw.received)!.reason).toBe("login timeout");
    raw.end();
  });

  test.each(TRANSPORTS)(
    "%s: a reader of one byte a second is closed as SLOW, the others get theirs at once",
    async (transport) => {
      await using running = await Running.start({ rules: { ...CHANNEL_RULES, oldestMs: 1_500 } });
      const slow = await running.raw(transport, "slow");
      const quick = await running.raw(transport, "quick");
      await until(() => running.server.channels.size === 2, "both are in");
      slow.pause();
      const reading = setInterval(() => (slow.resume(), slow.socket.read(1), slow.pause()), 1_000);
      let longestMs = 0;
      let served = 0;
      try {
        const packet = new Uint8Array(32 << 10);
        // The kernel takes some megabytes for the slow one before anything waits here.
        const end = performance.now() + 15_000;
        for (let i = 0; running.ends.length === 0 && performance.now() < end; i++) {
          const start = performance.now();
          running.server.push("slow", packet);
          running.server.push("quick", bytes(`push ${i}`));
          await until(() => framesIn(transport, quick.received).length === 1, "the quick one's push");
          expect(text(framesIn(transport, quick.received)[0]!.payload)).toBe(`push ${i}`);
          longestMs = Math.max(longestMs, performance.now() - start);
          quick.forget(quick.receivedBytes);
          served++;
          if (served % 50 === 0) await pause(5);
        }
      } finally {
        clearInterval(reading);
      }
      expect(running.ends).toEqual([["slow", CLOSE.SLOW]]);
      expect(longestMs).toBeLessThan(1_000);
      expect(served).toBeGreaterThan(8);
      slow.destroy();
      quick.destroy();
    },
    30_000,
  );

  test.each(TRANSPORTS)(
    "%s: who does not read its replies is not read either, and gets all of them in the end",
    async (transport) => {
      await using running = await Running.start();
      let received = 0;
      running.onPacket = (channel, packet) => {
        received++;
        channel.reply(new Uint8Array(60 << 10).fill(packet[0]!));
      };
      const raw = await running.raw(transport, "ann");
      await until(() => running.server.channels.size === 1, "ann is in");
      raw.pause();
      const asks = 600; // 36 MB of replies
      const sender = (async () => {
        for (let i = 0; i < asks; i++) {
          raw.write(clientFrame(transport, OPCODE.BINARY, new Uint8Array(8 << 10).fill(i & 255)));
          if (i % 20 === 0) await pause(1);
        }
      })();
      await pause(400);
      await sender;
      const before = received;
      expect(before).toBeLessThan(asks);
      await pause(100);
      expect(received).toBe(before);
      raw.resume();
      await until(() => received === asks, "every request", 10_000);
      const size = (60 << 10) + (transport === "tcp" ? 5 : 4);
      await until(() => raw.receivedBytes === asks * size, "every reply", 10_000);
      expect(framesIn(transport, raw.received).map(({ payload }) => payload[0])).toEqual(
        Array.from({ length: asks }, (_, i) => i & 255),
      );
      expect(running.server.budget.bytes).toBe(0);
      raw.destroy();
    },
    30_000,
  );

  test("connections per address: one too many is told so on both transports", async () => {
    await using running = await Running.start({ connectionsPerIp: 2 });
    await running.raw("tcp", "a");
    await running.raw("ws", "b");
    await until(() => running.server.connections === 2, "two are in");
    const third = await running.raw("tcp");
    await until(() => third.ended, "the end of the stream");
    expect(closeIn("tcp", third.received)!.reason).toBe("overload");
    third.end();
    const fourth = new NetRaw(running.ws);
    expect(await fourth.handshake()).toMatch(/^HTTP\/1.1 503 /);
    fourth.destroy();
  });

  test("stop: every client hears SHUTDOWN, new ones are refused, and stopping twice is harmless", async () => {
    const running = await Running.start({ drainMs: 200 });
    const raws: ["tcp" | "ws", NetRaw][] = [];
    for (let i = 0; i < 20; i++) {
      const transport = TRANSPORTS[i % 2]!;
      raws.push([transport, await running.raw(transport, `c${i}`)]);
    }
    await until(() => running.server.channels.size === 20, "all are in");
    for (let i = 0; i < 20; i++) running.server.push(`c${i}`, bytes("last"));
    const stopped = running.server.stop();
    expect(running.server.stop()).toBe(stopped);
    await stopped;
    expect(running.ends.length).toBe(20);
    for (const [transport, raw] of raws) {
      await until(() => raw.ended || raw.closed, "the end of the stream");
      expect(text(framesIn(transport, raw.received)[0]!.payload)).toBe("last");
      expect(closeIn(transport, raw.received)!.reason).toBe("shutdown");
    }
    const late = new NetRaw(running.tcp);
    await until(() => late.closed, "refused");
    await running.server.stop();
  });

  test("our client: heartbeat, reconnect after a restart of the server", async () => {
    const first = await Running.start();
    const ends: (readonly [CloseReason, number | undefined])[] = [];
    const heard: string[] = [];
    let url = `tcp://127.0.0.1:${first.tcp}`;
    const client = new Client({ reconnect: { baseMs: 20, maxMs: 50 }, heartbeatMs: 50 }, {
      clock: systemClock,
      log: silent,
      dial,
      dialer: { url: () => url, greet: (agent) => void agent.push(bytes("link")) },
      listener: {
        receive: (_agent, packet) => void heard.push(text(packet)),
        disconnected: (why, againMs) => void ends.push([why, againMs]),
      },
      random: Math.random,
    });
    await client.connect();
    client.push(bytes("one"));
    await until(() => heard.length === 1, "the echo");
    const second = await Running.start();
    url = `ws://127.0.0.1:${second.ws}`;
    await first.server.stop();
    await until(() => client.agent !== undefined && ends.length > 0, "connected again");
    expect(ends[0]![0]).toEqual(CLOSE.SHUTDOWN);
    client.push(bytes("two"));
    await until(() => heard.length === 2, "the echo of the second server");
    await client.stop();
    await until(() => second.ends.length === 1, "the client left");
    expect(second.ends[0]).toEqual(["link", CLOSE.NORMAL]);
    await second.server.stop();
  });

  // In a process of its own: on Deno all test files share one.
  test("started and stopped twice in one process it leaves nothing open", async () => {
    await using child = await startScript("tests/integration/transport_twice.fixture.ts", []);
    const [, json] = await child.find(/result (.*)/, 15_000);
    expect(JSON.parse(json!)).toEqual({ left: [0, 0, 0], leaked: 0 });
  }, 30_000);
});
