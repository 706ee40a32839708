import { expect, test } from "bun:test";
import fc from "fast-check";
import { FakeClock } from "../base/fake_clock.ts";
import { fakeClient, FakeServer, settle } from "./fake_server.ts";
import { MemoryStorage } from "./storage.ts";

/** What may happen between two steps of the network. */
type Act =
  | { readonly do: "say" | "talk"; readonly count: number }
  | { readonly do: "lose" | "double" | "delay" | "normal" | "cut" | "restart" | "busy" | "disk" }
  | { readonly do: "jump"; readonly hours: number }
  | { readonly do: "pass"; readonly ms: number };

const acts: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom("say", "talk"), count: fc.integer({ min: 1, max: 90 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("lose", "double", "delay", "normal", "cut", "restart", "busy", "disk"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("jump"), hours: fc.integer({ min: -9, max: 9 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("pass"), ms: fc.integer({ min: 0, max: 3_000 }) }) },
);

test("whatever the network does, every message is handed over exactly once and in order, and sent once", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(acts, { maxLength: 40, size: "max" }), fc.infiniteStream(fc.nat(99)), fc.boolean(), run),
    { numRuns: 150 },
  );
}, 60_000);

test("what waited to be kept when the disk was full does not overtake what is kept anew", async () => {
  const script: readonly Act[] = [
    { do: "busy" },
    { do: "talk", count: 78 },
    { do: "talk", count: 78 },
    { do: "disk" },
    { do: "restart" },
  ];
  for (let seed = 1; seed <= 200; seed++) await run(script, throws(seed), false);
}, 60_000);

/** Numbers from 0 to 99, the same for the same seed. */
function* throws(seed: number): Iterator<number, number> {
  for (let state = seed;;) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    yield (state >>> 16) % 100;
  }
}

async function run(script: readonly Act[], dice: Iterator<number>, slow: boolean): Promise<void> {
  const server = new FakeServer();
  server.resume = 40;
  const clock = new FakeClock();
  const storage = new FullDisk();
  const chance = (percent: number) => dice.next().value < percent;
  const late: (() => void)[] = [];
  const handed: string[] = [];
  let said = 0;
  let talked = 0;
  let runs = 0;
  const begin = () => {
    // The first numbers make the client's ids, which have to differ from those of the runs before.
    const forIds = Array<number>(4).fill(++runs / 1_000);
    const random = () => forIds.pop() ?? dice.next().value / 100;
    const { client } = fakeClient(server, clock, { storage, random, waiting: 100_000 });
    client.onMessage(({ body }) => {
      handed.push(body);
      return slow ? Promise.resolve() : undefined;
    });
    void client.login().catch(() => {}); // closed before it was answered
    return client;
  };
  const normal = () => {
    server.push = (_pos, send) => send();
    server.answer = () => undefined;
  };
  let client = begin();

  for (const act of script) {
    switch (act.do) {
      case "say":
        for (let i = 0; i < act.count; i++) server.say("ann", "bob", `in ${++said}`);
        break;
      case "talk":
        for (let i = 0; i < act.count; i++) client.talk(chance(50) ? "ann" : "eve", `out ${++talked}`);
        break;
      case "lose":
        server.push = (_pos, send) => chance(60) ? send() : undefined;
        break;
      case "double":
        server.push = (_pos, send) => (send(), chance(50) && send());
        break;
      case "delay":
        server.push = (_pos, send) => chance(50) ? void late.push(send) : send();
        break;
      case "busy":
        server.answer = (_packet, channel) => {
          if (chance(10)) channel.cut();
          return chance(70) ? undefined : chance(50) ? 302 : chance(50) ? 300 : "silence";
        };
        break;
      case "normal":
        normal();
        break;
      case "cut":
        for (const channel of server.online("bob")) channel.cut();
        break;
      case "disk":
        storage.full = !storage.full;
        break;
      case "jump":
        clock.jump(act.hours * 3_600_000);
        break;
      case "restart":
        if (storage.full) { // what a full disk has not kept nobody can know
          storage.full = false;
          await settle();
          clock.advance(60_000);
        }
        await settle();
        await client.close();
        client = begin();
        break;
      case "pass":
        clock.advance(act.ms);
        break;
    }
    while (late.length > 0 && chance(50)) late.splice(dice.next().value % late.length, 1)[0]!();
    await settle();
  }

  normal();
  for (const send of late) send();
  for (let i = 0; i < 400; i++) {
    clock.advance(1_000);
    await settle();
    if (client.waiting.length === 0 && handed.length >= said) break;
  }
  await client.close();
  expect(handed.filter((body) => body.startsWith("in"))).toEqual(Array.from({ length: said }, (_, i) => `in ${i + 1}`));
  expect(handed.filter((body) => body.startsWith("out"))).toEqual([]);
  for (const account of ["ann", "eve"]) {
    const out = server.inbox(account).filter(({ sender }) => sender === "bob").map(({ body }) => Number(body.slice(4)));
    expect(out).toEqual([...out].sort((a, b) => a - b));
  }
  expect(server.inbox("bob").filter(({ sender }) => sender === "bob")).toHaveLength(talked);
}

/** Keeps everything, or fails. */
class FullDisk extends MemoryStorage {
  full = false;
  override savePosition(...args: Parameters<MemoryStorage["savePosition"]>): Promise<void> {
    return this.full ? Promise.reject(new Error("full")) : super.savePosition(...args);
  }
  override saveMessage(...args: Parameters<MemoryStorage["saveMessage"]>): Promise<void> {
    return this.full ? Promise.reject(new Error("full")) : super.saveMessage(...args);
  }
  override dropMessage(...args: Parameters<MemoryStorage["dropMessage"]>): Promise<void> {
    return this.full ? Promise.reject(new Error("full")) : super.dropMessage(...args);
  }
}
