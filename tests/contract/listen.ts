// Over 300 lines: one test per promise of comm/ports.ts, in its order.
import { describe, expect, test } from "bun:test";
import { CLOSE } from "../../src/protocol/close_reason.ts";
import { OPCODE } from "../../src/protocol/frame.ts";
import { closingContract } from "./listen_closing.ts";
import { tcpContract, wsContract } from "./listen_frames.ts";
import {
  Bench,
  bytes,
  clientFrame,
  closeIn,
  finished,
  framesIn,
  join,
  pause,
  Probe,
  serverFrame,
  text,
  told,
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
      expect(server.conn.remote).toMatch(wiring.remote);
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

    closingContract(wiring);

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
      await first[Symbol.asyncDispose]();
      await closed(client);
      expect(first.listening.port > 0).toBe(wiring.remote.source !== "^unix$");
      const second = await Bench.start(wiring);
      await second.join();
      await second[Symbol.asyncDispose]();
    });
  });

  if (transport === "tcp") tcpContract(wiring);
  else wsContract(wiring);
}

function garbage(seed: number, count: number): Uint8Array {
  let state = seed * 2654435761;
  return new Uint8Array(count).map(() => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) >> 16);
}
