import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { wait } from "../../src/load/pool.ts";
import { Random } from "../../src/load/random.ts";
import { Crowd } from "./system_crowd.ts";
import { CAPS, LocalSystem, TRANSPORTS } from "./system_local.ts";
import { OldConnection, OurReader } from "./system_readers.ts";

const ROUNDS = 7;
const SEEDS = [1, 2, 3];

describe("a client that fetches what it missed while others go on sending", () => {
  let local: LocalSystem;
  beforeAll(async () => {
    local = await LocalSystem.start();
  });
  afterAll(() => local[Symbol.asyncDispose]());

  test("sees each message once and in order by the old rules", () => forEachSeed(oldRules), 60_000);
  test("sees each message once and in order by ours", () => forEachSeed(ourRules), 60_000);

  async function oldRules(seed: number): Promise<void> {
    const random = new Random(seed);
    const account = local.name("old");
    const crowd = await Crowd.start(local, account, new Random(-seed), seed === 1 ? 2_300 : 100); // 2,000 rows are a page
    const connections: OldConnection[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const one = new OldConnection(await local.login(random.pick(TRANSPORTS), account), random);
      connections.push(one);
      if (random.next() < 0.5) await wait(random.between(0, 500)); // pushes may flow before the index is asked for
      await one.page();
      await one.stay(random.between(0, 400));
      if (round === ROUNDS - 1) {
        await crowd.stop();
        await one.reach(await crowd.newest());
      }
      await one.leave();
    }
    expect(connections.reduce((sum, { seen }) => sum + seen.length, 0)).toBeGreaterThan(crowd.sent);

    const inbox = (await crowd.inbox()).filter(({ sender }) => sender !== account).map(({ messageId }) => messageId);
    expect(inbox.length).toBe(crowd.sent);
    const place = new Map(inbox.map((id, at) => [id, at]));
    let known = 0; // everything before this place was acknowledged for certain
    for (const { seen, acked } of connections) {
      const places = seen.map((id) => place.get(`${id}`)!);
      expect(places).toEqual(places.map((_, i) => places[0]! + i)); // no hole, nothing twice
      if (places.length > 0) expect(places[0]).toBeLessThanOrEqual(known);
      if (acked !== 0n) known = Math.max(known, place.get(`${acked}`)! + 1);
    }
  }

  async function ourRules(seed: number): Promise<void> {
    const random = new Random(seed);
    const account = local.name("ours");
    const crowd = await Crowd.start(local, account, new Random(-seed), 450);
    const reader = new OurReader(local, account);
    for (let round = 0; round < ROUNDS; round++) {
      await reader.connect(random);
      await wait(random.between(0, 200));
      if (random.next() < 0.7) await reader.talk(local.name("somebody"));
      await wait(random.between(0, 200));
      const last = round === ROUNDS - 1;
      if (last) {
        await crowd.stop();
        await reader.reach((await crowd.inbox()).length);
      }
      await reader.leave(random);
      if (round % 3 === 1) await crowd.burst(random.between(300, 600)); // too many to follow a login
      else if (!last && random.next() < 0.5) await crowd.burst(random.between(1, 200));
    }
    expect([...reader.reasons].sort()).toEqual(["", "no cursor", "too far"]);
    const inbox = await crowd.inbox();
    expect(reader.seen.length).toBe(inbox.length);
    expect(reader.seen).toEqual(
      inbox.slice(0, reader.seen.length).map(({ messageId, pos }) => ({ pos: pos!, messageId })),
    );
  }

  test.each([
    ["a cursor of another log", (epoch: string) => ({ cursor: 1, epoch: `${epoch}1` }), "epoch"],
    ["a cursor beyond the head", (epoch: string) => ({ cursor: 4, epoch }), "epoch"],
    ["no epoch", () => ({ cursor: 1, epoch: "" }), "no cursor"],
  ])("%s is not recovered, says why, and pushes begin behind the head", async (_name, resume, reason) => {
    const account = local.name("lost");
    const sender = await local.login("ws", local.name("sender"));
    for (let i = 0; i < 3; i++) await sender.talk(account, `${i}`);
    await using probe = await local.login("ws", account, { meta: CAPS });
    const { epoch } = await probe.inbox.sync(0);
    const client = await local.open("tcp");
    const answer = await client.login(local.token(account), { meta: CAPS, ...resume(epoch) });
    expect([answer.status, answer.body.uint(100), answer.body.text(101), answer.body.uint(102)])
      .toEqual([0, 0, reason, 3]);
    await sender.talk(account, "3");
    await client.until(({ messages }) => messages.length === 1);
    expect(client.pushes[0]!.meta.get("im.pos")).toBe("4");
    expect((await client.inbox.sync(0)).messages.map(({ body }) => body)).toEqual(["0", "1", "2", "3"]);
    for (const one of [client, sender]) one.close();
  });
});

/** All seeds at once. A failure names its seed. */
async function forEachSeed(run: (seed: number) => Promise<void>): Promise<void> {
  await Promise.all(SEEDS.map(async (seed) => {
    try {
      await run(seed);
    } catch (cause) {
      throw new Error(`Failed with seed ${seed}: ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
  }));
}
