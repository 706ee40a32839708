import { createHmac } from "node:crypto";
import { expect, test } from "bun:test";
import { sleep, systemClock } from "../../src/base/clock.ts";
import { silent } from "../../src/base/logger.ts";
import { Metrics } from "../../src/base/metrics.ts";
import type { Downward, Uplink, UplinkEvents } from "../../src/container/link.ts";
import { MemoryLink } from "../../src/container/memory_link.ts";
import { Snowflake } from "../../src/id/snowflake.ts";
import { Batcher } from "../../src/message/batcher.ts";
import type { ImStore } from "../../src/message/message_store.ts";
import { openSqliteStore } from "../../src/message/sqlite.ts";
import { makeToken } from "../../src/protocol/claims.ts";
import { crc32 } from "../../src/protocol/crc32.ts";
import { FLAG } from "../../src/protocol/header.ts";
import { GATEWAY_DEFAULTS } from "../../src/services/gateway/config.ts";
import { Gateway } from "../../src/services/gateway/gateway.ts";
import { LogicServer } from "../../src/services/logic/logic.ts";
import { MemorySessionStore } from "../../src/session/memory.ts";
import { OldClient } from "../support/old_client.ts";
import { tempDir } from "../support/temp.ts";

const SENDERS = 8;
const EACH = 80;

/** Numbers in [0, 1) from a seed (mulberry32). */
function randomFrom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Two logic servers behind one gateway, over links that lose, double and delay pushes. */
class System {
  readonly metrics = new Metrics();
  readonly sessions = new MemorySessionStore(systemClock, { devices: 16 });
  readonly gateway: Gateway;
  readonly hmac = (data: Uint8Array) => new Uint8Array(createHmac("sha256", "secret").update(data).digest());
  readonly logics: LogicServer[];
  readonly links: MemoryLink[] = [];
  readonly random: () => number;
  readonly store: ImStore;
  stored = new Set<number>();

  constructor(store: ImStore, random: () => number) {
    this.store = store;
    this.random = random;
    const config = { ...GATEWAY_DEFAULTS, messageRate: 0, serviceId: "gw" };
    this.gateway = new Gateway(config, { clock: systemClock, log: silent, metrics: this.metrics, hmac: this.hmac });
    this.logics = [0, 1].map((node) => {
      const ids = new Snowflake(systemClock, node);
      return new LogicServer({
        clock: systemClock,
        log: silent,
        metrics: this.metrics,
        sessions: this.sessions,
        messages: store,
        batcher: new Batcher(store, { clock: systemClock }),
        newGeneration: () => ids.next(),
      });
    });
    this.logics.forEach((_, at) => this.link(at));
  }

  link(at: number): void {
    const toGateway: UplinkEvents = {
      changed: (link) => this.gateway.changed(link),
      down: (packet, from) => this.carry(packet, from, at),
    };
    const link = new MemoryLink({ gateId: "gw", logicId: `chat${at}` }, toGateway, this.logics[at]!);
    this.links[at] = link;
    this.logics[at]!.attach(link.downlink);
    this.gateway.attach(link.uplink);
  }

  /** Pushes may be lost, late or double; now and then the link breaks under a reply, which is lost with it. */
  carry(packet: Downward, from: Uplink, at: number): void {
    const fate = packet.header.flag === FLAG.PUSH ? this.random() : 1;
    if (packet.header.command === "chat.user.talk") this.stored.add(at);
    if (packet.header.flag === FLAG.RESPONSE && packet.answers > 0 && this.random() < 0.02) {
      this.links[at]!.cut();
      return this.link(at);
    }
    if (fate < 0.05) return;
    if (fate < 0.2) systemClock.after(this.random() * 20, () => this.gateway.down(packet, from));
    if (fate >= 0.1) this.gateway.down(packet, from);
  }

  token(account: string): string {
    return makeToken({ acc: account, app: "kim", exp: Date.now() / 1000 + 3600 }, this.hmac);
  }
}

/** Sends one after the other, over a new connection when it was cut; gives what was answered Success. */
async function sender(system: System, name: string): Promise<bigint[]> {
  const acked: bigint[] = [];
  const client = new OldClient(system.gateway);
  while (await client.login(system.token(name)) !== 0) await sleep(systemClock, 20);
  for (let i = 0; i < EACH; i++) {
    const window = await Promise.all([0, 1, 2].map((k) => client.talk("rcv", `${name} ${i}.${k}`)));
    for (const { status, messageId } of window) if (status === 0) acked.push(messageId);
    await sleep(systemClock, system.random() * 50);
  }
  client.cut();
  return acked;
}

/** The receiver: logs in, pages, reads pushes, acks now and then, and is cut at random, until told to stop. */
async function receiver(system: System, stop: () => boolean): Promise<{ seen: bigint[]; ackedBefore: bigint }[]> {
  const connections: { seen: bigint[]; ackedBefore: bigint }[] = [];
  let acked = 0n;
  for (let last = false; !last;) {
    last = stop();
    const client = new OldClient(system.gateway);
    if (await client.login(system.token("rcv")) !== 0) continue;
    connections.push({ seen: client.seen, ackedBefore: acked });
    await Promise.race([client.index(), sleep(systemClock, 2_000)]);
    const until = systemClock.mono() + (last ? 1_500 : 30 + system.random() * 400);
    while (systemClock.mono() < until) {
      await sleep(systemClock, 10);
      const newest = client.seen.at(-1);
      if (newest !== undefined && system.random() < 0.3) void client.ack(newest);
      system.gateway.catchUp.heads([...system.gateway.channels()]);
    }
    client.cut();
    if (client.acked !== 0n) acked = client.acked;
  }
  return connections;
}

test.each([1, 2])(
  "an old client behind two logic servers, cut at random, never sees a hole or an inversion and loses nothing (seed %d)",
  async (seed) => {
    await using folder = await tempDir();
    await using store = await openSqliteStore({ directory: folder.path, threads: false });
    const random = randomFrom(seed);
    const system = new System(store, random);
    using _gateway = system.gateway;
    const names = Array.from({ length: SENDERS }, (_, i) => `sender${i}`);
    expect(new Set(names.map((name) => Math.floor((crc32(name) % 20) / 10))).size).toBe(2);

    let done = false;
    const reading = receiver(system, () => done);
    const acked = (await Promise.all(names.map((name) => sender(system, name)))).flat();
    done = true;
    const connections = await reading;

    const inbox: bigint[] = [];
    for (let after = 0;;) {
      const page = await store.entries("kim", "rcv", { after, limit: 500 });
      inbox.push(...page.rows.map((row) => row.messageId));
      if (page.rows.length === 0) break;
      after = page.scannedTo;
    }
    expect(system.stored.size).toBe(2);
    expect(acked.length).toBe(SENDERS * EACH * 3);
    expect(new Set(inbox).size).toBe(inbox.length);
    expect(acked.filter((id) => !inbox.includes(id))).toEqual([]);
    expect(connections.length).toBeGreaterThan(5);
    const place = new Map(inbox.map((id, at) => [id, at]));
    for (const { seen, ackedBefore } of connections) {
      const places = seen.map((id) => place.get(id)!);
      places.forEach((at, i) => i > 0 && expect(at).toBe(places[i - 1]! + 1));
      if (places.length > 0) {
        expect(places[0]).toBeLessThanOrEqual(ackedBefore === 0n ? 0 : place.get(ackedBefore)! + 1);
      }
    }
    expect(connections.at(-1)!.seen.at(-1) ?? inbox.at(-1)).toBe(inbox.at(-1)!);
    expect(system.metrics.read("petrel_fills_total")).toBeGreaterThan(0);
    expect(system.metrics.read("petrel_reforwarded_total")).toBeGreaterThan(0);
  },
  30_000,
);
