import { expect, test } from "bun:test";
import fc from "fast-check";
import { ImError } from "../base/errors.ts";
import { FakeClock } from "../base/fake_clock.ts";
import { silent } from "../base/logger.ts";
import { Snowflake, snowflakeAt, snowflakeMs } from "../id/snowflake.ts";
import type { Claim } from "./leases.ts";
import { MemoryLeases } from "./memory_leases.ts";
import { NodeLease, type NodeLeaseOptions } from "./node_lease.ts";

/** A store that can be out of reach and be flushed, whose own clock never jumps. */
class TestStore extends MemoryLeases {
  down = false;
  readonly marks = new Map<string, number>();
  override async claim(name: string, holder: string, ttlMs: number): Promise<Claim> {
    if (this.down) throw new ImError("SYSTEM", "Cannot renew a lease: it is down");
    return await super.claim(name, holder, ttlMs);
  }
  override async release(name: string, holder: string): Promise<void> {
    if (this.down) throw new ImError("SYSTEM", "Cannot give a lease back: it is down");
    await super.release(name, holder);
  }
  raise(name: string, to: number): Promise<number> {
    const before = this.marks.get(name) ?? 0;
    this.marks.set(name, Math.max(before, to));
    return Promise.resolve(before);
  }
}

/** What is queued behind promises has run. */
const settle = () => new Promise((done) => setTimeout(done, 0));

async function pass(clock: FakeClock, ms: number, step = 1_000): Promise<void> {
  for (let passed = 0; passed < ms; passed += step) {
    clock.advance(Math.min(step, ms - passed));
    await settle();
  }
}

function options(leases: TestStore, clock: FakeClock, more: Partial<NodeLeaseOptions> = {}): NodeLeaseOptions {
  return { leases, clock, holder: "me", log: silent, random: () => 0.5, ...more };
}

test("the first free number from a random place on is taken, and given back", async () => {
  const clock = new FakeClock(), store = new TestStore(clock);
  await using one = await NodeLease.open(options(store, clock, { holder: "a" }));
  const two = await NodeLease.open(options(store, clock, { holder: "b" }));
  const last = await NodeLease.open(options(store, clock, { holder: "c", random: () => 0.99999 }));
  expect([one.node, two.node, last.node]).toEqual([512, 513, 1023]);
  await two[Symbol.asyncDispose]();
  await two[Symbol.asyncDispose]();
  expect(() => two.node).toThrow("closed");
  expect(store.held("node:513")).toBe(false);
  await last[Symbol.asyncDispose]();
});

test("claims whose answers are lost do not take one number after the other", async () => {
  const clock = new FakeClock(), store = new TestStore(clock), claimed = new Set<string>();
  let lost = 20;
  const losing = Object.assign(Object.create(store) as TestStore, {
    claim: async (name: string, holder: string, ttlMs: number) => {
      const claim = await store.claim(name, holder, ttlMs);
      claimed.add(name);
      if (lost-- > 0) throw new ImError("SYSTEM", "Cannot renew a lease: its answer is lost");
      return claim;
    },
    raise: (name: string, to: number) => store.raise(name, to),
  });
  let next = 0;
  const random = () => (next += 0.137) % 1;
  const opening = NodeLease.open(options(losing, clock, { random }));
  await pass(clock, 100_000, 500);
  await using lease = await opening;
  expect([...claimed]).toEqual([`node:${lease.node}`]);
});

test("when all numbers are taken opening fails and says so", async () => {
  const clock = new FakeClock(), store = new TestStore(clock);
  for (let node = 0; node < 1024; node++) await store.claim(`node:${node}`, "others", 3_600_000);
  expect(await NodeLease.open(options(store, clock)).catch((error) => `${error.code} ${error.message}`))
    .toBe("CONFIG Cannot lease a node number: all 1024 are taken");
});

test("a store that is out of reach is waited for", async () => {
  const clock = new FakeClock(), store = new TestStore(clock);
  store.down = true;
  const opening = NodeLease.open(options(store, clock));
  await pass(clock, 60_000, 500);
  store.down = false;
  await pass(clock, 10_000, 500);
  await using lease = await opening;
  expect(lease.node).toBe(512);
});

test("it is kept for as long as the store answers, and through an outage of minutes", async () => {
  const clock = new FakeClock(), store = new TestStore(clock);
  await using lease = await NodeLease.open(options(store, clock));
  const ids = new Snowflake(clock, lease);
  await pass(clock, 1_800_000, 5_000);
  expect(lease.node).toBe(512);
  store.down = true;
  await pass(clock, 540_000, 5_000);
  expect(ids.next()).toBeGreaterThan(0n);
  store.down = false;
  await pass(clock, 20_000);
  expect(lease.problem).toBeUndefined();
  expect(lease.node).toBe(512);
});

test("a lease that lapsed gives no ids until there is another number", async () => {
  const clock = new FakeClock(), store = new TestStore(clock);
  await using lease = await NodeLease.open(options(store, clock));
  const ids = new Snowflake(clock, lease);
  const before = ids.next();
  store.down = true;
  await pass(clock, 601_000, 5_000);
  expect(() => ids.next()).toThrow("Cannot make id");
  expect(lease.problem).toContain("down");
  store.down = false;
  await store.claim("node:512", "another", 600_000);
  await pass(clock, 20_000);
  expect(lease.node).toBe(513);
  expect(ids.next()).toBeGreaterThan(before);
});

test("a number that another process has is given up", async () => {
  const clock = new FakeClock(), store = new TestStore(clock);
  await using lease = await NodeLease.open(options(store, clock));
  const ids = new Snowflake(clock, lease);
  const before = ids.next();
  await store.release("node:512", "me"); // the store lost it, and another one was faster
  await store.claim("node:512", "another", 600_000);
  await pass(clock, 20_000);
  expect(lease.node).toBe(513);
  expect(ids.next()).toBeGreaterThan(before);
});

test("ids of a store whose last one lies in the future go on behind it", async () => {
  const clock = new FakeClock(), store = new TestStore(clock);
  await using lease = await NodeLease.open(options(store, clock));
  const last = snowflakeAt(clock.now() + 3_600_000);
  const ids = new Snowflake(clock, lease, last);
  await pass(clock, 1_000, 10);
  expect(ids.next()).toBeGreaterThan(last);
  expect(store.marks.get("node:512")).toBeGreaterThan(clock.now() + 3_600_000);
});

test("who cannot change its number is told when it is lost", async () => {
  const clock = new FakeClock(), store = new TestStore(clock);
  await using lease = await NodeLease.open(options(store, clock));
  let lost: Error | undefined;
  void lease.lost.then((error) => lost = error);
  store.down = true;
  await pass(clock, 560_000, 5_000);
  expect(lost).toBeUndefined();
  await pass(clock, 39_000, 1_000);
  expect(lost?.message).toContain("down");
});

test("after a flush the number is claimed again", async () => {
  const clock = new FakeClock(), store = new TestStore(clock);
  await using lease = await NodeLease.open(options(store, clock));
  await store.release("node:512", "me");
  await pass(clock, 12_000);
  expect(store.held("node:512")).toBe(true);
  expect(lease.node).toBe(512);
});

test.each([[3_600_000], [-3_600_000], [86_400_000 * 365], [-86_400_000 * 365]])(
  "a wall clock that jumps by %i ms changes nothing about the lease, and ids grow on",
  async (jump) => {
    const clock = new FakeClock(), store = new TestStore(clock);
    await using lease = await NodeLease.open(options(store, clock));
    const ids = new Snowflake(clock, lease);
    let last = ids.next();
    clock.jump(jump);
    for (let i = 0; i < 50; i++) {
      await pass(clock, 1_000);
      expect(lease.node).toBe(512);
      const id = ids.next();
      expect(id).toBeGreaterThan(last);
      last = id;
    }
    clock.jump(-jump);
    await pass(clock, 30_000);
    expect(ids.next()).toBeGreaterThan(last);
    expect(lease.node).toBe(512);
  },
);

test("a number whose ids went into the future is passed over by a process whose clock is right", async () => {
  const ahead = new FakeClock(1_700_000_000_000 + 7_200_000), store = new TestStore(ahead);
  const lease = await NodeLease.open(options(store, ahead));
  expect(new Snowflake(ahead, lease).next()).toBeGreaterThan(0n);
  await lease[Symbol.asyncDispose]();
  const clock = new FakeClock();
  await using next = await NodeLease.open(options(store, clock));
  expect(next.node).toBe(513);
  expect(snowflakeMs(new Snowflake(clock, next).next())).toBe(1_700_000_000_000);
});

test("two processes never make the same id, whatever their clocks, the store and their ends do", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          who: fc.nat(1),
          does: fc.constantFrom("ids", "ids", "ids", "jump", "restart", "wait", "outage"),
          by: fc.integer({ min: -7_200_000, max: 7_200_000 }),
        }),
        { minLength: 5, maxLength: 40 },
      ),
      async (steps) => {
        const time = new FakeClock(), store = new TestStore(time);
        const clocks = [new FakeClock(), new FakeClock()];
        const random = () => 0; // both want the same numbers
        let run = 0;
        const open = async (who: number) => {
          const clock = clocks[who]!;
          const lease = await NodeLease.open(options(store, clock, { holder: `${who}-${run++}`, random }));
          return { lease, ids: new Snowflake(clock, lease), last: 0n };
        };
        const made = new Set<bigint>();
        const running = [await open(0), await open(1)];
        for (const { who, does, by } of steps) {
          const one = running[who]!;
          if (does === "ids") {
            for (let i = 0; i < 20; i++) {
              let id: bigint;
              try {
                id = one.ids.next();
              } catch {
                break; // its lease ended
              }
              expect(made.has(id)).toBe(false);
              expect(id).toBeGreaterThan(one.last);
              made.add(one.last = id);
            }
          } else if (does === "jump") clocks[who]!.jump(by);
          else if (does === "restart") {
            await one.lease[Symbol.asyncDispose]();
            running[who] = await open(who);
          } else {
            store.down = does === "outage";
            for (let i = 0; i < 14; i++) {
              for (const clock of [time, ...clocks]) clock.advance(50_000);
              await settle();
            }
            store.down = false;
            for (const clock of [time, ...clocks]) clock.advance(10_000);
            await settle();
          }
        }
        for (const { lease } of running) await lease[Symbol.asyncDispose]();
      },
    ),
    { numRuns: 60 },
  );
}, 60_000);
