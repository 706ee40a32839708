import { expect, test } from "bun:test";
import net from "node:net";
import { until } from "../../tests/browser/until.ts";
import { whyNoRedis } from "../../tests/support/redis_server.ts";
import { UpstashStand } from "../../tests/support/upstash_stand.ts";
import { systemClock } from "../base/clock.ts";
import { silent } from "../base/logger.ts";
import { Upstash, type UpstashOptions } from "../upstash/client.ts";
import { gatewayLease } from "./leases.ts";
import type { Session } from "./store.ts";
import { UpstashLeases } from "./upstash_leases.ts";
import { UpstashSessionStore } from "./upstash.ts";

const why = whyNoRedis();
const withRedis = test.skipIf(why !== undefined);

function open(stand: UpstashStand, more: Partial<UpstashOptions> = {}) {
  const upstash = new Upstash({ url: stand.url, token: stand.token, clock: systemClock, log: silent, ...more });
  return {
    upstash,
    store: new UpstashSessionStore(upstash, { devices: 16 }),
    leases: new UpstashLeases(upstash),
    [Symbol.asyncDispose]: () => upstash[Symbol.asyncDispose](),
  };
}

function session(account: string, generation: bigint, incarnation = "run1"): Session {
  return {
    ...{ app: "kim", account, device: "", channelId: `c-${account}-${generation}`, gateId: "gw1", incarnation },
    ...{ content: "protobuf", generation, remoteIp: "127.0.0.1", zone: "", isp: "", tags: [] },
  };
}

const codeOf = (promise: Promise<unknown>) => promise.then(() => "answered", (error) => error.code as string);

/** Everything that a store does, all the time, until stopped: how often it worked, and every code it failed with. */
function traffic({ store, leases }: Pick<ReturnType<typeof open>, "store" | "leases">) {
  const seen = { worked: 0, codes: new Set<string>(), running: true };
  let generation = 1_000n;
  const loop = async (ask: () => Promise<unknown>) => {
    while (seen.running) {
      const code = await codeOf(ask());
      if (code === "answered") seen.worked++;
      else seen.codes.add(code);
      await new Promise((go) => setTimeout(go, 5));
    }
  };
  const done = Promise.all([
    loop(() => store.locate("kim", ["ann", "bob", "cy"])),
    loop(() => store.add(session("ann", generation++))),
    loop(() => store.end(`c-ann-${generation - 2n}`)),
    loop(() => store.touch(["c-bob-1", "c-cy-1"])),
    loop(() => store.get("c-bob-1")),
    loop(() => leases.claim("node:1", "me", 5_000)),
  ]);
  return {
    seen,
    stop: async () => {
      seen.running = false;
      await done;
    },
  };
}

/** As a gateway does it: keeps its lease, and puts its sessions back when it was made anew. */
function gateway({ store, leases }: Pick<ReturnType<typeof open>, "store" | "leases">, mine: readonly Session[]) {
  const state = { running: true, restored: 0 };
  const done = (async () => {
    while (state.running) {
      const claim = await leases.claim(gatewayLease("run1"), "run1", 5_000).catch(() => "failed");
      if (claim === "made" && await codeOf(store.restore(mine)) === "answered") state.restored++;
      await new Promise((go) => setTimeout(go, 100));
    }
  })();
  return { state, stop: () => (state.running = false, done) };
}

const FAULTS: [string, (stand: UpstashStand) => Promise<unknown>][] = [
  ["a flush", (stand) => stand.ask("FLUSHALL")],
  ["kill -9 and an empty start", async ({ redis }) => {
    await redis.kill();
    await new Promise((go) => setTimeout(go, 1_500));
    await redis.resume();
  }],
  ["a pause longer than requests wait", async ({ redis }) => {
    redis.pause();
    await new Promise((go) => setTimeout(go, 3_000));
    redis.unpause();
  }],
  ["scripts forgotten", (stand) => stand.ask("SCRIPT", "FLUSH")],
];

test.skipIf(why !== undefined).each(FAULTS)(
  "%s under traffic: failures are SYSTEM, and in seconds all is as before",
  async (_what, fault) => {
    await using stand = await UpstashStand.start();
    await using mine = open(stand, { timeoutMs: 1_000 });
    await using other = open(stand, { timeoutMs: 1_000 });
    const sessions = [session("bob", 1n), session("cy", 1n)];
    await mine.leases.claim(gatewayLease("run1"), "run1", 5_000);
    for (const one of sessions) await mine.store.add(one);
    const kept = gateway(mine, sessions);
    const busy = traffic(other);
    await until("traffic", () => busy.seen.worked, (count) => count > 100);
    await fault(stand);
    const online = async () =>
      (await other.store.locate("kim", ["bob", "cy"]).catch(() => [])).map(({ account }) => account);
    await until("both are back", online, (found) => `${found}` === "bob,cy", 15_000);
    const before = busy.seen.worked;
    await until("traffic again", () => busy.seen.worked - before, (count) => count > 100);
    await busy.stop();
    await kept.stop();
    for (const code of ["SYSTEM", "CLOSED"]) busy.seen.codes.delete(code); // CLOSED: a login while the lease was gone
    expect([...busy.seen.codes]).toEqual([]);
    expect(mine.upstash.problem).toBeUndefined();
  },
  60_000,
);

/** A way to the stand that can be cut in the middle of a request or an answer, or go silent. */
class Way implements AsyncDisposable {
  /** What happens to the bytes of requests and of answers. */
  requests: "pass" | "cut" | "swallow" = "pass";
  answers: "pass" | "cut" | "swallow" = "pass";
  readonly #server: net.Server;
  readonly #open = new Set<net.Socket>();

  constructor(target: number) {
    this.#server = net.createServer((client) => {
      const server = net.connect(target, "127.0.0.1");
      const end = () => (client.destroy(), server.destroy());
      for (const socket of [client, server]) {
        this.#open.add(socket);
        socket.on("error", end).on("close", () => (this.#open.delete(socket), end()));
      }
      const carry = (to: net.Socket, how: () => "pass" | "cut" | "swallow") => (bytes: Uint8Array) => {
        if (how() === "pass") to.write(bytes);
        else if (how() === "cut") to.write(bytes.subarray(0, bytes.length >> 1), end);
      };
      client.on("data", carry(server, () => this.requests));
      server.on("data", carry(client, () => this.answers));
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((done) => this.#server.close(done));
  }
}

withRedis("a network that cuts requests and answers, or swallows them: nothing is done twice or half", async () => {
  await using stand = await UpstashStand.start();
  await using way = new Way(Number(new URL(stand.url).port));
  await using cut = open(stand, { url: await way.listen(), timeoutMs: 300 });
  await using straight = open(stand);
  const { store } = cut;
  const breakings = [
    { requests: "cut" },
    { answers: "cut" },
    { answers: "swallow" },
    { requests: "swallow" },
  ] as const;
  let generation = 1n;
  for (let round = 0; round < 12; round++) {
    const before = session("ann", generation++, "");
    await straight.store.add(before);
    const broken = breakings[round % breakings.length]!;
    Object.assign(way, broken);
    const next = session("ann", generation++, "");
    const adding = store.add(next).then(
      (out) => out.map(({ channelId }) => channelId),
      (error) => error.code as string,
    );
    await new Promise((go) => setTimeout(go, 60));
    Object.assign(way, { requests: "pass", answers: "pass" });
    // Either it says who was put out, or that nobody knows; in the end it is stored once, or not at all.
    expect([`${before.channelId}`, "SYSTEM"]).toContain(`${await adding}`);
    const found = await straight.store.locate("kim", ["ann"]);
    expect(found.length).toBe(1);
    if (`${await adding}` !== "SYSTEM") expect(found[0]!.channelId).toBe(next.channelId);
    await until("it answers", () => codeOf(store.get("c1")), (code) => code === "answered", 15_000);
    await straight.store.end(found[0]!.channelId);
  }
}, 60_000);
