// Longer than most: the ways a connection ends are one table to read through.
import { describe, expect, test } from "bun:test";
import { CLOSE } from "../../src/protocol/close_reason.ts";
import { OPCODE } from "../../src/protocol/frame.ts";
import { wsClosePayload } from "../../src/protocol/ws_frame.ts";
import {
  Bench,
  bytes,
  clientFrame,
  closeIn,
  finished,
  framesIn,
  join,
  pause,
  type Probe,
  text,
  told,
  until,
  type Wiring,
} from "./listen_support.ts";

/** Every order in which two ends may leave: each is told once, last, and the right reason. */
export function closingContract(wiring: Wiring): void {
  const { transport } = wiring;
  const data = (payload: string) => clientFrame(transport, OPCODE.BINARY, bytes(payload));
  const closed = (probe: Probe) => until(() => probe.closes.length > 0, "the connection closed");

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
      await until(() => raw.receivedBytes >= count * packet.length, "what waited", 8_000);
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
      expect((performance.now() - start) * wiring.speed).toBeLessThan(3_500);
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
      expect((performance.now() - start) * wiring.speed).toBeGreaterThan(1_400);
      expect((performance.now() - start) * wiring.speed).toBeLessThan(3_500);
      await finished(server, CLOSE.SLOW);
      raw.destroy();
    });
  });
}
