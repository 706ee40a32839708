import { expect, test } from "bun:test";
import fc from "fast-check";
import { anyDice, BadNetwork, type NetworkAct, networkActs, RUNS } from "./bad_network.fixture.ts";
import { settle } from "./fake_server.ts";
import { MemoryStorage } from "./storage.ts";

type Act =
  | NetworkAct
  | { readonly do: "say" | "talk"; readonly count: number }
  | { readonly do: "restart" | "disk" }
  | { readonly do: "jump"; readonly hours: number };

const { troubles, pass } = networkActs("restart", "disk");
const talking = fc.constantFrom("say", "talk");
const acts: fc.Arbitrary<Act> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: talking, count: fc.integer({ min: 1, max: 90 }) }) },
  { weight: 1, arbitrary: fc.record({ do: talking, count: fc.integer({ min: 90, max: 700 }) }) },
  { weight: 12, arbitrary: troubles },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("jump"), hours: fc.integer({ min: -9, max: 9 }) }) },
  { weight: 12, arbitrary: pass },
);

test("whatever the network does, every message is handed over exactly once and in order, and sent once", async () => {
  const script = fc.array(acts, { maxLength: 40, size: "max" });
  await fc.assert(fc.asyncProperty(script, anyDice, fc.boolean(), run), RUNS);
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

test("what was said is not handed over, however much is read and said before the inbox comes to it", async () => {
  const before: readonly Act[] = [{ do: "say", count: 300 }, { do: "talk", count: 600 }];
  const restarts: readonly Act[] = [{ do: "restart" }, { do: "talk", count: 90 }, { do: "restart" }];
  for (const script of [before, [...before, ...restarts]]) await run(script, throws(1), true);
}, 60_000);

/** Numbers from 0 to 99, the same for the same seed. */
function* throws(seed: number): Iterator<number, number> {
  for (let state = seed;;) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    yield (state >>> 16) % 100;
  }
}

async function run(script: readonly Act[], dice: Iterator<number>, slow: boolean): Promise<void> {
  const network = new BadNetwork(dice);
  const { server, clock } = network;
  const storage = new FullDisk();
  const handed: string[] = [];
  let said = 0;
  let talked = 0;
  const begin = () =>
    network.client(({ body }) => {
      handed.push(body);
      return slow ? Promise.resolve() : undefined;
    }, { storage });
  let client = begin();

  for (const act of script) {
    switch (act.do) {
      case "say":
        for (let i = 0; i < act.count; i++) server.say("ann", "bob", `in ${++said}`);
        break;
      case "talk":
        for (let i = 0; i < act.count; i++) client.talk(network.chance(50) ? "ann" : "eve", `out ${++talked}`);
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
      default:
        network.act(act);
    }
    await network.step();
  }

  await network.end(() => client.waiting.length === 0 && handed.length >= said);
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
