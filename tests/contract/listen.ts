import { describe, expect, test } from "bun:test";
import { CLOSE, type CloseReason } from "../../src/protocol/close_reason.ts";
import { encodeFrame, OPCODE } from "../../src/protocol/frame.ts";
import { wsClosePayload, wsFrame } from "../../src/protocol/ws_frame.ts";
import {
  Bench,
  bytes,
  clientFrame,
  closeIn,
  framesIn,
  hex,
  MASK,
  pause,
  Probe,
  serverFrame,
  text,
  until,
  type Wiring,
} from "./listen_support.ts";

/** What every transport promises in comm/ports.ts, whatever carries its bytes. */
export function listenContract(wiring: Wiring): void {
  const { transport } = wiring;
  const data = (payload: Uint8Array | string) =>
    clientFrame(transport, OPCODE.BINARY, typeof payload === "string" ? bytes(payload) : payload);
  const closed = (probe: Probe) => until(() => probe.closes.length > 0, "the connection closed");
  const echo = (probe: Probe) => void (probe.onPacket = (packet) => void probe.conn.send([packet.slice()]));

  describe(wiring.name, () => {
    test("a packet arrives whole, and the answer too", async () => {
      await using bench = await Bench.start(wiring, echo);
      const { client, server } = await bench.join();
      expect(client.conn.send([bytes("hello")])).not.toBe("closed");
      await until(() => client.packets.length === 1, "the echo");
      expect(text(client.packets[0]!)).toBe("hello");
      expect([server.conn.transport, client.conn.transport]).toEqual([transport, transport]);
      expect(server.conn.remote).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(server.alives).toBe(1);
    });

    test("10,000 packets in flight keep their order", async () => {
      await using bench = await Bench.start(wiring, echo);
      const { client } = await bench.join();
      const all = Array.from({ length: 10_000 }, (_, i) => bytes(`packet ${i} ${"x".repeat(i % 200)}`));
      for (let i = 0; i < all.length; i += 100) client.conn.send(all.slice(i, i + 100));
      await until(() => client.packets.length === all.length, "all echoes", 10_000);
      expect(client.packets.every((packet, i) => text(packet) === text(all[i]!))).toBe(true);
    }, 20_000);

    test("one write may carry many frames, and one frame many writes", async () => {
      await using bench = await Bench.start(wiring, echo);
      const { raw, server } = await bench.joinRaw();
      const many = [data("a"), data("bc"), data("d".repeat(300))];
      raw.write(join(many));
      await until(() => server.packets.length === 3, "three packets");
      for (const byte of data("one by one")) {
        raw.write(new Uint8Array([byte]));
        await pause(1);
      }
      await until(() => server.packets.length === 4, "the fourth");
      expect(server.packets.map(text)).toEqual(["a", "bc", "d".repeat(300), "one by one"]);
      await until(() => framesIn(transport, raw.received).length === 4, "four echoes");
    });

    test("a frame at the limit passes, one byte more closes with TOO_LARGE before it is read", async () => {
      await using bench = await Bench.start(wiring, (probe) => probe.conn.limit(8 << 10));
      const { raw, server } = await bench.joinRaw();
      raw.write(data(new Uint8Array(8 << 10)));
      await until(() => server.packets.length === 1, "the packet");
      raw.write(data(new Uint8Array((8 << 10) + 1)));
      await until(() => closeIn(transport, raw.received) !== undefined, "the close frame");
      raw.end();
      await closed(server);
      expect(server.closes).toEqual([CLOSE.TOO_LARGE]);
      expect(server.packets.length).toBe(1);
      expect(closeIn(transport, raw.received)).toEqual(told(CLOSE.TOO_LARGE, transport));
      await until(() => raw.ended || raw.closed, "the end of the stream");
    });

    test("the limit can be raised while packets come", async () => {
      await using bench = await Bench.start(wiring, (probe) => {
        probe.conn.limit(100);
        probe.onPacket = () => probe.conn.limit(64 << 10);
      });
      const { raw, server } = await bench.joinRaw();
      raw.write(join([data(new Uint8Array(100)), data(new Uint8Array(64 << 10))]));
      await until(() => server.packets.length === 2, "both packets");
      raw.write(data(new Uint8Array((64 << 10) + 1)));
      raw.end();
      await closed(server);
      expect(server.closes).toEqual([CLOSE.TOO_LARGE]);
    });

    test("packets for clients may be larger than those of clients", async () => {
      await using bench = await Bench.start(wiring);
      const { client, server } = await bench.join();
      const large = new Uint8Array(3 << 20).map((_, i) => i * 7);
      server.conn.send([large, bytes("end")]);
      await until(() => client.packets.length === 2, "both packets");
      expect(Buffer.compare(client.packets[0]!, large)).toBe(0);
    });

    test("empty data frames are ignored, but show life", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.write(join([data(""), data("x"), data("")]));
      await until(() => server.alives === 3, "three frames");
      expect(server.packets.map(text)).toEqual(["x"]);
    });

    test("a peer that stops reading: writes are queued, drained comes once all has left, nothing is lost", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.pause();
      const packet = new Uint8Array(64 << 10);
      let sent = 0;
      let result = "sent";
      do {
        packet[0] = sent;
        result = server.conn.send([packet.slice()]);
        sent++;
        if (result === "queued") await pause(20); // Deno is always busy for a moment
      } while ((result === "sent" || server.conn.queuedBytes === 0) && sent * packet.length < 4 * wiring.kernelBytes);
      expect(result).toBe("queued");
      expect(server.conn.queuedBytes).toBeGreaterThan(0);
      packet[0] = sent++;
      expect(server.conn.send([packet.slice()])).not.toBe("closed");
      const drains = server.drains;
      await pause(30);
      expect(server.drains).toBe(drains);
      raw.resume();
      await until(() => server.drains > drains, "drained");
      expect(server.conn.queuedBytes).toBe(0);
      const size = serverFrame(transport, OPCODE.BINARY, packet).length;
      await until(() => raw.receivedBytes === sent * size, "every byte");
      const firsts = framesIn(transport, raw.received).map(({ payload }) => payload[0]);
      expect(firsts).toEqual(Array.from({ length: sent }, (_, i) => i & 255));
    }, 15_000);

    test("paused: nothing is read, and writing goes on; resumed: everything comes in order", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      server.conn.pause();
      server.conn.pause();
      await pause(20);
      raw.write(data("first"));
      raw.write(data("second"));
      await pause(60);
      expect(server.packets.length).toBe(0);
      server.conn.send([bytes("still here")]);
      await until(() => framesIn(transport, raw.received).length === 1, "what was sent meanwhile");
      server.conn.resume();
      server.conn.resume();
      await until(() => server.packets.length === 2, "both packets");
      expect(server.packets.map(text)).toEqual(["first", "second"]);
    });

    test("paused and with a queue at once: both end well", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.pause();
      server.conn.pause();
      raw.write(data("late"));
      const packet = new Uint8Array(1 << 20);
      for (let i = 0; i < 2 * wiring.kernelBytes / packet.length + 1; i++) server.conn.send([packet]);
      await pause(30);
      expect(server.conn.queuedBytes).toBeGreaterThan(0);
      const drains = server.drains;
      raw.resume();
      await until(() => server.drains > drains && server.conn.queuedBytes === 0, "drained although paused");
      expect(server.packets.length).toBe(0);
      server.conn.resume();
      await until(() => server.packets.length === 1, "the packet");
    }, 15_000);

    describe("closing", () => {
      test("the server first: both ends are told its reason, once and last", async () => {
        await using bench = await Bench.start(wiring);
        const { client, server } = await bench.join();
        server.conn.send([bytes("before")]);
        server.conn.close(CLOSE.KICKED);
        server.conn.close(CLOSE.NORMAL);
        expect(server.conn.send([bytes("after")])).toBe("closed");
        await closed(client);
        await closed(server);
        expect(client.packets.map(text)).toEqual(["before"]);
        await finished(client, CLOSE.KICKED);
        await finished(server, CLOSE.KICKED);
      });

      test("the client first: both ends are told its reason, once and last", async () => {
        await using bench = await Bench.start(wiring);
        const { client, server } = await bench.join();
        client.conn.send([bytes("before")]);
        client.conn.close(CLOSE.SIGNED_OUT);
        await closed(client);
        await closed(server);
        expect(server.packets.map(text)).toEqual(["before"]);
        await finished(server, CLOSE.SIGNED_OUT);
        await finished(client, CLOSE.SIGNED_OUT);
      });

      test("both at once: each is told its own reason", async () => {
        await using bench = await Bench.start(wiring);
        const { client, server } = await bench.join();
        client.conn.close(CLOSE.NORMAL);
        server.conn.close(CLOSE.SHUTDOWN);
        await closed(client);
        await closed(server);
        await finished(client, CLOSE.NORMAL);
        await finished(server, CLOSE.SHUTDOWN);
      });

      test("a close frame is answered with one, then the stream ends", async () => {
        await using bench = await Bench.start(wiring);
        const { raw, server } = await bench.joinRaw();
        raw.write(clientFrame(transport, OPCODE.CLOSE, transport === "ws" ? wsClosePayload(1000, "") : undefined));
        await until(() => raw.ended || raw.closed, "the end of the stream");
        expect(framesIn(transport, raw.received).map(({ opcode }) => opcode)).toEqual([OPCODE.CLOSE]);
        if (transport === "ws") expect(closeIn(transport, raw.received)!.code).toBe(1000);
        raw.end();
        await closed(server);
        await finished(server, transport === "ws" ? CLOSE.NORMAL : { code: 1005, reason: "", reconnect: false });
      });

      test("a close frame without code or reason, then the stream ends at once: as the reference clients do", async () => {
        await using bench = await Bench.start(wiring);
        const { raw, server } = await bench.joinRaw();
        raw.write(join([data("last"), clientFrame(transport, OPCODE.CLOSE)]));
        raw.end();
        await closed(server);
        await until(() => raw.ended || raw.closed, "the end of the stream");
        expect(server.packets.map(text)).toEqual(["last"]);
        await finished(server, { code: 1005, reason: "", reconnect: false });
      });

      test("a peer that just ends is gone; what was queued still reaches it", async () => {
        await using bench = await Bench.start(wiring);
        const { raw, server } = await bench.joinRaw();
        if (transport === "tcp") raw.pause();
        for (let i = 0; i < 3; i++) server.conn.send([new Uint8Array(60 << 10)]);
        raw.end();
        await pause(30);
        raw.resume();
        await closed(server);
        await until(() => raw.ended || raw.closed, "the end of the stream");
        await finished(server, CLOSE.GONE);
        if (transport === "tcp") expect(framesIn(transport, raw.received).length).toBe(3);
      });

      test("a peer that vanishes is gone", async () => {
        await using bench = await Bench.start(wiring);
        const { client, server } = await bench.join();
        client.conn.destroy();
        await closed(server);
        await closed(client);
        await finished(server, CLOSE.GONE);
        await finished(client, CLOSE.GONE);
      });

      test("destroy says nothing to the peer, and works twice", async () => {
        await using bench = await Bench.start(wiring);
        const { client, server } = await bench.join();
        server.conn.destroy();
        server.conn.destroy();
        expect(server.conn.send([bytes("x")])).toBe("closed");
        await closed(client);
        await finished(server, CLOSE.GONE);
        await finished(client, CLOSE.GONE);
        for (
          const use of [() => server.conn.close(CLOSE.SLOW), () => server.conn.pause(), () => server.conn.resume()]
        ) use();
        server.conn.ping();
        expect(server.conn.queuedBytes).toBe(0);
      });

      test("what waits leaves before the close frame", async () => {
        await using bench = await Bench.start(wiring);
        const { raw, server } = await bench.joinRaw();
        raw.pause();
        await pause(20);
        const packet = new Uint8Array(1 << 20);
        const count = wiring.kernelBytes / packet.length + 2 | 0;
        for (let i = 0; i < count; i++) server.conn.send([packet]);
        server.conn.close(CLOSE.SHUTDOWN);
        await pause(50);
        expect(server.closes.length === 0 || transport === "ws").toBe(true);
        raw.resume();
        await until(() => closeIn(transport, raw.received) !== undefined, "the close frame", 8_000);
        raw.end();
        await closed(server);
        const frames = framesIn(transport, raw.received);
        expect(frames.filter(({ opcode }) => opcode === OPCODE.BINARY).length).toBe(count);
        expect(closeIn(transport, raw.received)).toEqual(told(CLOSE.SHUTDOWN, transport));
        await finished(server, CLOSE.SHUTDOWN);
      }, 15_000);

      test("a paused connection can be closed", async () => {
        await using bench = await Bench.start(wiring);
        const { client, server } = await bench.join();
        server.conn.pause();
        client.conn.send([bytes("unread")]);
        await pause(20);
        server.conn.close(CLOSE.SLOW);
        await closed(client);
        await closed(server);
        await finished(client, CLOSE.SLOW);
        await finished(server, CLOSE.SLOW);
      });

      test("a peer that does not answer the close is dropped after 1.5 s", async () => {
        await using bench = await Bench.start(wiring);
        const { raw, server } = await bench.joinRaw();
        const start = performance.now();
        server.conn.close(CLOSE.SHUTDOWN);
        await closed(server);
        expect(performance.now() - start).toBeLessThan(2_200);
        await finished(server, CLOSE.SHUTDOWN);
        await until(() => closeIn(transport, raw.received) !== undefined, "the close frame");
        expect(closeIn(transport, raw.received)).toEqual(told(CLOSE.SHUTDOWN, transport));
        raw.destroy();
      });

      test("a peer that reads nothing any more is dropped after 1.5 s", async () => {
        await using bench = await Bench.start(wiring);
        const { raw, server } = await bench.joinRaw();
        raw.pause();
        await pause(20);
        for (let i = 0; i < 2 * wiring.kernelBytes >> 20 || i < 2; i++) server.conn.send([new Uint8Array(1 << 20)]);
        const start = performance.now();
        server.conn.close(CLOSE.SLOW);
        await closed(server);
        expect(performance.now() - start).toBeGreaterThan(1_400);
        expect(performance.now() - start).toBeLessThan(2_500);
        await finished(server, CLOSE.SLOW);
        raw.destroy();
      });
    });

    test("a ping is answered with its payload, and shows life; without a ping nothing is sent", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      await pause(50);
      expect(raw.receivedBytes).toBe(0);
      raw.write(clientFrame(transport, OPCODE.PING));
      raw.write(clientFrame(transport, OPCODE.PING, bytes("payload")));
      raw.write(clientFrame(transport, OPCODE.PONG));
      await until(() => server.alives === 3, "three frames");
      await until(() => framesIn(transport, raw.received).length === 2, "two pongs");
      expect(framesIn(transport, raw.received).map(({ opcode, payload }) => [opcode, text(payload)])).toEqual([
        [OPCODE.PONG, ""],
        [OPCODE.PONG, "payload"],
      ]);
      expect([server.pings, server.packets.length]).toEqual([2, 0]);
    });

    test("our client pings, and hears the answer", async () => {
      await using bench = await Bench.start(wiring);
      const { client, server } = await bench.join();
      client.conn.ping();
      await until(() => client.alives === 1, "the pong");
      expect([server.pings, client.pings, client.packets.length]).toEqual([1, 0, 0]);
    });

    test.each(["packet", "alive", "drained"] as const)("destroying in %s is the end of events", async (event) => {
      await using bench = await Bench.start(wiring, (probe) => {
        probe[event === "packet" ? "onPacket" : event === "alive" ? "onAlive" : "onDrained"] = () =>
          probe.conn.destroy();
      });
      const { raw, server } = await bench.joinRaw();
      if (event === "drained") {
        raw.pause();
        await pause(10);
        for (let i = 0; i < (2 * wiring.kernelBytes >> 20) + 1; i++) server.conn.send([new Uint8Array(1 << 20)]);
        raw.resume();
      } else raw.write(join([data("1"), data("2"), data("3")]));
      await closed(server);
      await pause(20);
      await finished(server, CLOSE.GONE);
      expect(server.packets.length).toBe(event === "packet" ? 1 : 0);
    }, 15_000);

    test("closing in packet: the rest of the read is not told", async () => {
      await using bench = await Bench.start(
        wiring,
        (probe) => void (probe.onPacket = () => probe.conn.close(CLOSE.RATE)),
      );
      const { raw, server } = await bench.joinRaw();
      raw.write(join([data("1"), data("2"), data("3")]));
      await until(() => closeIn(transport, raw.received) !== undefined, "the close frame");
      raw.end();
      await closed(server);
      expect(server.packets.map(text)).toEqual(["1"]);
      await finished(server, CLOSE.RATE);
    });

    test("an event handler that throws closes its connection with INTERNAL, is logged once, and hurts nobody else", async () => {
      await using bench = await Bench.start(wiring, echo);
      const { raw, server } = await bench.joinRaw();
      const { client } = await bench.join();
      server.onPacket = () => {
        throw new Error("planted");
      };
      raw.write(join([data("1"), data("2")]));
      await until(() => closeIn(transport, raw.received) !== undefined, "the close frame");
      expect(closeIn(transport, raw.received)).toEqual(told(CLOSE.INTERNAL, transport));
      raw.end();
      await closed(server);
      await finished(server, CLOSE.INTERNAL);
      expect(bench.log.errors.map(({ fields }) => (fields?.error as Error).message)).toEqual(["planted"]);
      client.conn.send([bytes("still served")]);
      await until(() => client.packets.length === 1, "the echo");
    });

    test("accepting: throwing drops the connection, closing refuses it politely", async () => {
      let count = 0;
      await using bench = await Bench.start(wiring, (probe) => {
        if (count++ === 0) throw new Error("planted");
        probe.conn.close(CLOSE.OVERLOAD);
      });
      const first = await bench.joinRaw();
      await until(() => first.raw.closed || first.raw.ended, "the end of the first");
      expect(bench.log.errors.length).toBe(1);
      const second = await bench.joinRaw();
      await until(() => closeIn(transport, second.raw.received) !== undefined, "the close frame");
      expect(closeIn(transport, second.raw.received)).toEqual(told(CLOSE.OVERLOAD, transport));
      second.raw.end();
      await closed(second.server);
      await finished(second.server, CLOSE.OVERLOAD);
    });

    test.each([1, 2, 3, 4, 5, 6, 7, 8])("garbage of seed %d ends in one close and nothing worse", async (seed) => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.write(garbage(seed, 4_000));
      raw.end();
      await closed(server);
      await pause(5);
      expect(server.closes.length).toBe(1);
      expect([server.late, bench.log.errors.length]).toEqual([0, 0]);
    });

    test("a hundred thousand pings of a peer that reads no answers take no memory", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.pause();
      const ping = clientFrame(transport, OPCODE.PING, new Uint8Array(120));
      const burst = join(Array.from({ length: 1_000 }, () => ping));
      for (let i = 0; i < 100; i++) raw.write(burst);
      await until(() => server.pings === 100_000, "all pings", 10_000);
      if (transport === "tcp") expect(server.conn.queuedBytes).toBeLessThan(128 << 10);
      raw.destroy();
    }, 20_000);

    test("stopAccepting: nobody new, the others stay; disposing drops them, and both may be repeated", async () => {
      const bench = await Bench.start(wiring, echo);
      const { client } = await bench.join();
      bench.listening.stopAccepting();
      bench.listening.stopAccepting();
      let refused = false;
      await Promise.resolve().then(() => wiring.dial(bench.url, () => new Probe(), { timeoutMs: 1_000 })).catch(() => {
        refused = true;
      });
      expect(refused).toBe(true);
      client.conn.send([bytes("x")]);
      await until(() => client.packets.length === 1, "the echo");
      await bench[Symbol.asyncDispose]();
      await bench[Symbol.asyncDispose]();
      for (const probe of [client, bench.probes[0]!]) {
        await closed(probe);
        await pause(5);
        expect([probe.closes.length, probe.late]).toEqual([1, 0]);
        expect([1001, 1006]).toContain(probe.closes[0]!.code); // Bun says "going away" on its own
      }
    });

    test("its port can be taken again as soon as it is disposed, and a taken one is refused by name", async () => {
      const first = await Bench.start(wiring);
      const { client } = await first.join();
      const { port } = first.listening;
      await first[Symbol.asyncDispose]();
      await closed(client);
      expect(port).toBeGreaterThan(0);
      const second = await Bench.start(wiring);
      await second.join();
      await second[Symbol.asyncDispose]();
    });
  });

  if (transport === "tcp") tcpContract(wiring);
  else wsContract(wiring);
}

function tcpContract(wiring: Wiring): void {
  describe(wiring.name, () => {
    test("every opcode but close, ping and pong is data, as in the reference", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      for (const opcode of [0x77, OPCODE.TEXT, OPCODE.CONTINUATION, 0xff]) {
        raw.write(encodeFrame(opcode, bytes(`${opcode}`)));
      }
      await until(() => server.packets.length === 4, "four packets");
      expect(server.packets.map(text)).toEqual(["119", "1", "0", "255"]);
    });

    test("a length of 4 GiB is refused from its head alone", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.write(new Uint8Array([2, 0xff, 0xff, 0xff, 0xff]));
      await until(() => raw.ended || raw.closed, "the end of the stream");
      raw.end();
      await until(() => server.closes.length === 1, "the close");
      expect(server.closes).toEqual([CLOSE.TOO_LARGE]);
      expect(hex(raw.received)).toBe(hex(encodeFrame(OPCODE.CLOSE, bytes(CLOSE.TOO_LARGE.reason))));
    });

    test("a close frame's text names the reason, any text is kept", async () => {
      await using bench = await Bench.start(wiring);
      for (const [reason, expected] of [["kicked", CLOSE.KICKED], ["channelId is repeated", undefined]] as const) {
        const { raw, server } = await bench.joinRaw();
        raw.write(encodeFrame(OPCODE.CLOSE, bytes(reason)));
        await until(() => raw.ended || raw.closed, "the end of the stream");
        expect(hex(raw.received)).toBe("0800000000");
        raw.end();
        await until(() => server.closes.length === 1, "the close");
        expect(server.closes).toEqual([expected ?? { code: 1005, reason, reconnect: false }]);
      }
    });
  });
}

const masked = (opcode: number, payload: Uint8Array = new Uint8Array(0), fin = true) =>
  wsFrame(opcode, payload, MASK, fin);
const close = (code: number, rest: Uint8Array = new Uint8Array(0)) =>
  masked(OPCODE.CLOSE, join([new Uint8Array([code >> 8, code & 255]), rest]));
const reserved = (bit: number) => {
  const frame = masked(OPCODE.BINARY, bytes("x"));
  frame[0]! |= bit;
  return frame;
};
const BAD_UTF8 = new Uint8Array([0xc3, 0x28]);

/** What breaks RFC 6455, and the code that must answer it. */
const VIOLATIONS: readonly (readonly [string, number, Uint8Array])[] = [
  ["an unmasked frame (5.1)", 1002, wsFrame(OPCODE.BINARY, bytes("x"))],
  ["RSV1 (5.2)", 1002, reserved(0x40)],
  ["RSV2 (5.2)", 1002, reserved(0x20)],
  ["RSV3 (5.2)", 1002, reserved(0x10)],
  ["opcode 3 (5.2)", 1002, masked(3)],
  ["opcode 7 (5.2)", 1002, masked(7)],
  ["opcode 11 (5.2)", 1002, masked(11)],
  ["opcode 15 (5.2)", 1002, masked(15)],
  ["a fragmented ping (5.5)", 1002, masked(OPCODE.PING, bytes("x"), false)],
  ["a fragmented close (5.5)", 1002, masked(OPCODE.CLOSE, new Uint8Array([3, 0xe8]), false)],
  ["a ping of 126 bytes (5.5)", 1002, masked(OPCODE.PING, new Uint8Array(126))],
  ["a continuation of nothing (5.4)", 1002, masked(OPCODE.CONTINUATION, bytes("x"))],
  [
    "a new message inside a fragmented one (5.4)",
    1002,
    join([masked(OPCODE.BINARY, bytes("x"), false), masked(OPCODE.BINARY)]),
  ],
  ["text that is not UTF-8 (8.1)", 1007, masked(OPCODE.TEXT, BAD_UTF8)],
  [
    "fragmented text that is not UTF-8 (8.1)",
    1007,
    join([masked(OPCODE.TEXT, BAD_UTF8.subarray(0, 1), false), masked(OPCODE.CONTINUATION, BAD_UTF8.subarray(1))]),
  ],
  ["a close of one byte (5.5.1)", 1002, masked(OPCODE.CLOSE, new Uint8Array([3]))],
  ["close code 999 (7.4)", 1002, close(999)],
  ["close code 1004 (7.4)", 1002, close(1004)],
  ["close code 1005 (7.4)", 1002, close(1005)],
  ["close code 1006 (7.4)", 1002, close(1006)],
  ["close code 1015 (7.4)", 1002, close(1015)],
  ["close code 2999 (7.4)", 1002, close(2999)],
  ["close code 5000 (7.4)", 1002, close(5000)],
  ["a close reason that is not UTF-8 (5.5.1)", 1007, close(1000, BAD_UTF8)],
  ["a message over the limit (10.4)", 1009, masked(OPCODE.BINARY, new Uint8Array((64 << 10) + 1))],
  [
    "fragments over the limit together (10.4)",
    1009,
    join([masked(OPCODE.BINARY, new Uint8Array(40_000), false), masked(OPCODE.CONTINUATION, new Uint8Array(40_000))]),
  ],
  [
    "a length over 63 bits (5.2)",
    1009,
    new Uint8Array([0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4]),
  ],
];

function wsContract(wiring: Wiring): void {
  describe(wiring.name, () => {
    test.each(VIOLATIONS)("%s is answered with close code %d, then the stream ends", async (_name, code, frame) => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.write(join([masked(OPCODE.BINARY, bytes("before")), frame, masked(OPCODE.BINARY, bytes("after"))]));
      await until(() => raw.ended || raw.closed, "the end of the stream");
      const codes = [code, ...(code === 1009 ? [1002] : [])]; // 64-bit lengths: either is right
      expect(codes).toContain(closeIn("ws", raw.received)?.code as number);
      raw.end();
      await until(() => server.closes.length === 1, "the close");
      expect(server.packets.map(text)).toEqual(["before"]);
      expect([1002, 1007, 1009]).toContain(server.closes[0]!.code);
      expect([server.closes.length, server.late, bench.log.errors.length]).toEqual([1, 0, 0]);
    });

    test("fragments become one packet, control frames between them are answered at once", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.write(join([
        masked(OPCODE.BINARY, bytes("one "), false),
        masked(OPCODE.PING, bytes("between")),
        masked(OPCODE.CONTINUATION, bytes("whole "), false),
        masked(OPCODE.CONTINUATION, new Uint8Array(0), false),
        masked(OPCODE.CONTINUATION, bytes("packet")),
      ]));
      await until(() => server.packets.length === 1, "the packet");
      expect(text(server.packets[0]!)).toBe("one whole packet");
      await until(() => framesIn("ws", raw.received).length === 1, "the pong");
    });

    test("a text message is a packet too", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.write(masked(OPCODE.TEXT, bytes("grüße 😀")));
      await until(() => server.packets.length === 1, "the packet");
      expect(text(server.packets[0]!)).toBe("grüße 😀");
    });

    test.each([1000, 1001, 1011, 3000, 4001, 4999])("close code %d is heard and echoed", async (code) => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      raw.write(close(code, bytes("why")));
      await until(() => raw.ended || raw.closed, "the end of the stream");
      expect(closeIn("ws", raw.received)?.code).toBe(code);
      raw.end();
      await until(() => server.closes.length === 1, "the close");
      expect(server.closes[0]).toMatchObject({ code, reason: "why", reconnect: [1001, 1011, 4001].includes(code) });
    });

    test("every packet leaves in one unmasked, final, binary frame", async () => {
      await using bench = await Bench.start(wiring);
      const { raw, server } = await bench.joinRaw();
      server.conn.send([bytes("a"), new Uint8Array(200), new Uint8Array(70_000)]);
      const size = 2 + 1 + 4 + 200 + 10 + 70_000;
      await until(() => raw.receivedBytes >= size, "three frames");
      expect(raw.receivedBytes).toBe(size);
      expect(hex(raw.received.subarray(0, 7))).toBe("82016182" + "7e00c8");
      expect(hex(raw.received.subarray(207, 217))).toBe("827f0000000000011170");
    });
  });
}

async function finished(probe: Probe, why: CloseReason): Promise<void> {
  await pause(10);
  expect(probe.closes).toEqual([why]);
  expect(probe.late).toBe(0);
}

/** How a peer is told a reason: TCP has no codes. */
function told(why: CloseReason, transport: "tcp" | "ws") {
  return { code: transport === "ws" ? why.code : 0, reason: expect.any(String) };
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function garbage(seed: number, count: number): Uint8Array {
  let state = seed * 2654435761;
  return new Uint8Array(count).map(() => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) >> 16);
}
