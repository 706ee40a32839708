import { describe, expect, test } from "bun:test";
import { FakeClock } from "../base/fake_clock.ts";
import { MemoryNet } from "../runtime/memory/mod.ts";
import { CLOSE, type CloseReason } from "../protocol/close_reason.ts";
import { Client, type ClientOptions } from "./client.ts";
import { ErrorLog } from "./fake_conn.fixture.ts";
import type { Conn, ConnEvents, Listening } from "./ports.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (packet: Uint8Array) => new TextDecoder().decode(packet);
/** Lets pipes and the ends of ticks happen. */
const settle = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 0));
};

class Bench {
  readonly clock = new FakeClock();
  readonly log = new ErrorLog();
  readonly net = new MemoryNet({ clock: this.clock, log: this.log });
  listening!: Listening;
  readonly conns: Conn[] = [];
  readonly heard: string[] = [];
  readonly ends: (readonly [CloseReason, number | undefined])[] = [];
  pings = 0;
  client!: Client;

  async start(options: Partial<ClientOptions> = {}): Promise<this> {
    await this.listen(0);
    const { port } = this.listening;
    this.client = new Client(options, {
      clock: this.clock,
      log: this.log,
      dial: this.net.dial,
      dialer: { url: () => `ws://127.0.0.1:${port}`, greet: (agent) => void agent.push(bytes("hello from me")) },
      listener: {
        receive: (_agent, packet) => void this.heard.push(`client: ${text(packet)}`),
        disconnected: (why, againMs) => void this.ends.push([why, againMs]),
      },
      random: () => 0.5,
    });
    return this;
  }

  async listen(port: number): Promise<void> {
    this.listening = await this.net.listenWs({ hostname: "127.0.0.1", port }, (conn): ConnEvents => {
      this.conns.push(conn);
      return {
        packet: (packet) => void this.heard.push(`server: ${text(packet)}`),
        alive: () => {},
        pinged: () => void this.pings++,
        drained: () => {},
        closed: () => {},
      };
    });
  }
}

describe("Client", () => {
  test("connects, greets first, and carries packets both ways", async () => {
    const bench = await new Bench().start();
    expect(bench.client.push(bytes("too early"))).toBe(false);
    await bench.client.connect();
    expect(bench.client.push(bytes("second"))).toBe(true);
    await settle();
    bench.conns[0]!.send([bytes("answer")]);
    await settle();
    expect(bench.heard).toEqual(["server: hello from me", "server: second", "client: answer"]);
    await stopped(bench);
    expect(bench.ends).toEqual([[CLOSE.NORMAL, undefined]]);
    expect(bench.client.agent).toBeUndefined();
  });

  test("pings at its interval, and gives up a server that is silent for too long", async () => {
    const bench = await new Bench().start({ heartbeatMs: 25_000 });
    await bench.client.connect();
    for (let i = 0; i < 4; i++) {
      bench.clock.advance(25_200);
      await settle();
    }
    expect(bench.pings).toBe(4);
    expect(bench.ends.length).toBe(0); // pongs are life
    bench.conns[0]!.pause(); // the server hangs
    await settle();
    bench.clock.advance(181_000);
    await settle();
    bench.clock.advance(2_000);
    await settle();
    expect(bench.ends).toEqual([[CLOSE.IDLE, undefined]]);
  });

  test("dials again with jittered back-off when the reason says so, until it was heard", async () => {
    const bench = await new Bench().start({ reconnect: { baseMs: 1_000, maxMs: 8_000 } });
    await bench.client.connect();
    bench.conns[0]!.close(CLOSE.SHUTDOWN);
    await settle();
    expect(bench.ends).toEqual([[CLOSE.SHUTDOWN, 500]]);
    const { port } = bench.listening;
    await bench.listening[Symbol.asyncDispose]();
    for (const waitMs of [500, 1_000, 2_000]) {
      bench.clock.advance(waitMs);
      await settle();
    }
    expect(bench.ends.slice(1)).toEqual([[CLOSE.GONE, 1_000], [CLOSE.GONE, 2_000], [CLOSE.GONE, 4_000]]);
    await bench.listen(port);
    bench.clock.advance(4_000);
    await settle();
    expect(bench.client.agent).toBeDefined();
    bench.conns[1]!.close(CLOSE.SHUTDOWN); // before anything was heard: still backing off
    await settle();
    expect(bench.ends.at(-1)).toEqual([CLOSE.SHUTDOWN, 4_000]);
    bench.clock.advance(4_000);
    await settle();
    bench.conns[2]!.send([bytes("welcome back")]);
    await settle();
    bench.conns[2]!.close(CLOSE.SHUTDOWN);
    await settle();
    expect(bench.ends.at(-1)).toEqual([CLOSE.SHUTDOWN, 500]);
    await stopped(bench);
  });

  test("does not come back when the reason says no", async () => {
    const bench = await new Bench().start({ reconnect: {} });
    await bench.client.connect();
    bench.conns[0]!.close(CLOSE.KICKED);
    await settle();
    expect(bench.ends).toEqual([[CLOSE.KICKED, undefined]]);
    bench.clock.advance(100_000);
    await settle();
    expect(bench.conns.length).toBe(1);
  });

  test("a link's client comes back whatever it was told, and keeps trying from its start", async () => {
    const bench = await new Bench().start({ reconnect: { baseMs: 1_000 }, reconnectAlways: true });
    const { port } = bench.listening;
    await bench.listening[Symbol.asyncDispose]();
    bench.client.start();
    await settle();
    expect(bench.ends).toEqual([[CLOSE.GONE, 500]]);
    await bench.listen(port);
    bench.clock.advance(500);
    await settle();
    bench.conns[0]!.close(CLOSE.PROTOCOL);
    await settle();
    expect(bench.ends.at(-1)).toEqual([CLOSE.PROTOCOL, 1_000]);
    await stopped(bench);
  });

  test("the first connection that fails is thrown, not repeated", async () => {
    const bench = await new Bench().start({ reconnect: {} });
    await bench.listening[Symbol.asyncDispose]();
    await expect(bench.client.connect()).rejects.toThrow("nobody listens there");
    bench.clock.advance(100_000);
    await settle();
    expect(bench.ends.length).toBe(0);
  });

  test("stopping while it waits to dial again is the end; stopping twice is harmless", async () => {
    const bench = await new Bench().start({ reconnect: { baseMs: 1_000 } });
    await bench.client.connect();
    bench.conns[0]!.close(CLOSE.OVERLOAD);
    await settle();
    await bench.client.stop();
    await bench.client.stop();
    bench.clock.advance(100_000);
    await settle();
    expect(bench.conns.length).toBe(1);
    await expect(bench.client.connect()).rejects.toThrow("stopped");
  });
});

/** Stops the client while its clock goes on. */
async function stopped(bench: Bench): Promise<void> {
  const end = bench.client.stop();
  await settle();
  bench.clock.advance(4_000);
  await end;
}
