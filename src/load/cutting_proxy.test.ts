import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Cut, CUTS } from "./cut_conn.ts";
import { cutPlans, CuttingProxy } from "./cutting_proxy.ts";
import { FakeServer } from "./fake_server.ts";
import { FrameSplitter } from "./frame_splitter.ts";
import { clientFrame, OPCODE } from "./frames.ts";
import { pool, wait } from "./pool.ts";
import { dayToken } from "./token.ts";
import { WireClient } from "./wire_client.ts";

const SECRET = "a secret of the proxy's tests";

describe("the frame splitter", () => {
  test("gives the head and every frame whole, wherever the stream is cut", () => {
    const payloads = fc.array(
      fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.constant(new Uint8Array(70_000).fill(7))),
      {
        maxLength: 6,
      },
    );
    fc.assert(
      fc.property(payloads, fc.array(fc.nat(300), { minLength: 1, maxLength: 20 }), (packets, cuts) => {
        const head = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        const key = Uint8Array.of(1, 2, 3, 250);
        const frames = packets.map((packet) => clientFrame("ws", OPCODE.BINARY, packet, key));
        const stream = Uint8Array.from([head, ...frames].flatMap((part) => [...part]));
        const raw: number[] = [];
        const found: (Uint8Array | undefined)[] = [];
        const splitter = new FrameSplitter((unit) => {
          for (const byte of unit.raw) raw.push(byte);
          found.push(unit.packet);
        });
        for (let at = 0, i = 0; at < stream.length; i++) {
          const end = at + (i < 40 ? cuts[i % cuts.length]! + 1 : stream.length);
          splitter.push(stream.subarray(at, end));
          at = end;
        }
        expect(found).toEqual([undefined, ...packets]);
        expect(Uint8Array.from(raw)).toEqual(stream);
      }),
      { numRuns: 50 },
    );
  });

  test("does not gather without end", () => {
    const splitter = new FrameSplitter(() => {});
    expect(() => splitter.push(new Uint8Array((1 << 20) + 1))).toThrow("Cannot pass on");
  });
});

describe("the cutting proxy", () => {
  test("a seed decides when and how each connection of each lane is cut", () => {
    const first = (seed: number, lane: number) => {
      const plans = cutPlans(seed, lane, 2000);
      return Array.from({ length: 50 }, () => plans.next().value);
    };
    expect(first(1, 0)).toEqual(first(1, 0));
    expect(first(1, 0)).not.toEqual(first(1, 1));
    expect(first(1, 0)).not.toEqual(first(2, 0));
    expect(first(7, 3)[0]!.kind).toBe("no reply");
    expect(new Set(first(7, 3).map(({ kind }) => kind)).size).toBe(CUTS.length);
    for (const { afterMs } of first(7, 3)) expect(Math.abs(afterMs - 2000)).toBeLessThanOrEqual(1000);
  });

  /** A client that talks until it is cut, and comes back, until the time is up. */
  async function talkThrough(port: number, ms: number): Promise<{ answered: number; lost: number }> {
    const counts = { answered: 0, lost: 0 };
    const end = performance.now() + ms;
    while (performance.now() < end) {
      try {
        await using client = await WireClient.login(`ws://127.0.0.1:${port}/`, dayToken(SECRET, "kim", "ann"), {
          timeoutMs: 500,
        });
        while (performance.now() < end) {
          await client.talk("bob", "hello");
          counts.answered++;
          await wait(5);
        }
      } catch {
        counts.lost++; // the connection was cut, or refused
        await wait(10);
      }
    }
    return counts;
  }

  test("cuts in every way, and knows which talks were not answered", async () => {
    await using server = await FakeServer.start({ secret: SECRET });
    const { port } = new URL(server.wsUrl);
    const options = { host: "127.0.0.1", port: Number(port), lanes: 6, cutEveryMs: 100, seed: 5 };
    await using proxy = await CuttingProxy.start(options);
    let [answered, lost] = [0, 0];
    await pool(proxy.lanes.length, proxy.lanes.length, async (i) => {
      const counts = await talkThrough(proxy.lanes[i]!.port, 2500);
      answered += counts.answered;
      lost += counts.lost;
    });
    const cuts = new Map<Cut, number>(CUTS.map((kind) => [kind, 0]));
    for (const { counts } of proxy.lanes) for (const [kind, n] of counts.cuts) cuts.set(kind, cuts.get(kind)! + n);
    expect([...cuts].filter(([, n]) => n === 0)).toEqual([]);
    expect(proxy.lanes.filter(({ counts }) => counts.unanswered === 0)).toEqual([]);
    expect(proxy.lanes.reduce((sum, { counts }) => sum + counts.refused, 0)).toBeGreaterThan(0);
    expect(answered).toBeGreaterThan(20);
    expect(lost).toBeGreaterThan(20);
  }, 20_000);

  test("leaves connections alone once it is calm", async () => {
    await using server = await FakeServer.start({ secret: SECRET });
    const { port } = new URL(server.wsUrl);
    await using proxy = await CuttingProxy.start({
      host: "127.0.0.1",
      port: Number(port),
      lanes: 1,
      cutEveryMs: 20,
      seed: 1,
    });
    proxy.calm();
    const { answered, lost } = await talkThrough(proxy.lanes[0]!.port, 300);
    expect(lost).toBe(0);
    expect(answered).toBeGreaterThan(5);
    expect(proxy.cuts).toBe(0);
  }, 10_000);
});
