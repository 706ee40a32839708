import { expect, test } from "bun:test";
import type { Upward } from "../../container/link.ts";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import { META, textMeta } from "../../protocol/meta.ts";
import { NO_BODY } from "../../protocol/packet.ts";
import { STATUS } from "../../protocol/status.ts";
import { MemorySessionStore } from "../../session/memory.ts";
import { MemoryLeases } from "../../session/memory_leases.ts";
import type { Session } from "../../session/store.ts";
import type { ClientChannel } from "./client_channel.ts";
import { Bench, Wire } from "./gateway_bench.fixture.ts";
import { Store } from "./lease_bench.fixture.ts";
import { randomOf, WaitingLink } from "./random_link.fixture.ts";

const RUNS = 150, STEPS = 200;
const GATES = [0, 1];

interface Client {
  readonly wire: Wire;
  readonly channel: ClientChannel;
  readonly gate: number;
}

/** Two gateways, two logic servers and a session store, and clients of one account that come and go. */
class World {
  readonly random: () => number;
  readonly #leases = GATES.map(() => new Store());
  readonly gateways = GATES.map((gate) =>
    new Bench({ serviceId: `gw${gate}`, incarnation: `run${gate}` }, [], { leases: this.#leases[gate]! })
  );
  readonly #clock = this.gateways[0]!.clock;
  readonly servers = ["a", "b"].map((id) => new Server(id, this));
  readonly clients = new Set<Client>();
  sessions!: MemorySessionStore;
  isAway = false;
  #generation = 0n;

  constructor(seed: number) {
    this.random = randomOf(seed);
    this.flush();
  }

  /** The store loses everything. */
  flush(): void {
    const leases = new MemoryLeases(this.#clock);
    this.sessions = new MemorySessionStore(this.#clock, { devices: 16, leases });
    for (const store of this.#leases) store.kept = leases;
  }

  away(on: boolean): void {
    this.isAway = on;
    for (const store of this.#leases) store.fate = on ? "down" : "works";
  }

  isLate({ startBy }: Upward): boolean {
    return this.#clock.mono() > startBy;
  }

  sessionOf({ app, account, device }: pkt.Session, channelId: string, gate: number): Session {
    const where = { gateId: `gw${gate}`, incarnation: `run${gate}`, content: "protobuf" as const };
    const rest = { generation: this.#generation++, remoteIp: "", zone: "", isp: "", tags: [] };
    return { app, account, device, channelId, ...where, ...rest };
  }

  login(gate: number): void {
    const meta = [textMeta(META.CAPS, "1"), textMeta(META.DEVICE, `phone${Math.floor(this.random() * 3)}`)];
    const bench = this.gateways[gate]!, wire = new Wire();
    const channel = bench.first(wire, bench.token(), { meta });
    if (!("at" in channel)) this.clients.add({ wire, channel, gate });
  }

  leave(client: Client): void {
    this.clients.delete(client);
    this.gateways[client.gate]!.gateway.disconnected(client.channel, CLOSE.GONE);
  }

  ping(): void {
    for (const { channel, gate } of this.clients) {
      if (channel.state === "open") this.gateways[gate]!.gateway.pinged(channel);
    }
  }

  async pass(ms: number): Promise<void> {
    for (const { clock } of this.gateways) clock.advance(ms);
    for (let turn = 0; turn < 12; turn++) await Promise.resolve();
    for (const client of this.clients) if (client.wire.closed) this.leave(client);
  }
}

/** A logic server that reads, answers and fails when it is told to. */
class Server {
  readonly #id: string;
  readonly #world: World;
  readonly #links: (WaitingLink | undefined)[] = GATES.map(() => undefined);
  /** What it had read from links that are gone. */
  readonly #late: { readonly packet: Upward; readonly from: WaitingLink; readonly gate: number }[] = [];

  constructor(id: string, world: World) {
    this.#id = id;
    this.#world = world;
  }

  connect(gate: number): void {
    if (this.#links[gate]) return;
    this.#world.gateways[gate]!.gateway.attach(this.#links[gate] = new WaitingLink(this.#id));
  }

  cut(gate: number): void {
    const link = this.#links[gate];
    if (!link) return;
    this.#links[gate] = undefined;
    link.state = "closed";
    const arrived = Math.floor(this.#world.random() * 2 * (link.up.length + 1));
    for (const packet of link.up.slice(0, arrived)) this.#late.push({ packet, from: link, gate });
    this.#world.gateways[gate]!.gateway.changed(link);
  }

  /** Carries out the next request. False: there is none. */
  async work(link: number): Promise<boolean> {
    const late = this.#late.shift();
    const from = late?.from ?? this.#links[link], packet = late?.packet ?? from?.up.shift();
    if (!packet || !from) return false;
    const gate = late?.gate ?? link, { header } = packet;
    const [status, body] = await this.#answerTo(packet, gate).then(
      (body) => [STATUS.SUCCESS.wire, body] as const,
      () => [STATUS.SYSTEM.wire, NO_BODY] as const,
    );
    const to = this.#links[gate] ?? from;
    if (to !== from && !packet.again && status !== STATUS.SUCCESS.wire) return true; // as LogicServer does
    this.#send(
      to,
      gate,
      makeHeader(header.command, { ...header, flag: FLAG.RESPONSE, status }),
      body,
      header.channelId,
    );
    return true;
  }

  /** The next packet reaches the gateway. False: there is none. */
  deliver(gate: number): boolean {
    const link = this.#links[gate], packet = link?.down.shift();
    if (packet) this.#world.gateways[gate]!.gateway.down(packet, link!);
    return packet !== undefined;
  }

  async #answerTo(packet: Upward, gate: number): Promise<Uint8Array> {
    const { header: { command, channelId }, body } = packet;
    const world = this.#world, { sessions, isAway } = world;
    if (command === "im.heads") {
      const ids = decodeBody(pkt.HeadsReq, body).items.map((item) => item.channelId);
      const missing = isAway ? [] : await sessions.touch(ids);
      return encodeBody(pkt.HeadsResp, { positions: ids.map(() => 0), missing });
    }
    if (isAway) throw new Error("The store is away");
    if (command === "login.signout") await sessions.end(channelId);
    else if (world.isLate(packet)) throw new Error("Too late");
    else if (command === "login.signin") {
      const replaced = await sessions.add(world.sessionOf(decodeBody(pkt.Session, body), channelId, gate));
      for (const old of replaced) if (old.channelId !== channelId) this.#kick(old);
      return encodeBody(pkt.LoginResp, { channelId });
    } else if (command === "im.restore") {
      const asked = decodeBody(pkt.RestoreReq, body).sessions.map((one) => world.sessionOf(one, one.channelId, gate));
      const lost = await sessions.restore(asked);
      for (const one of asked) if (lost.includes(one.channelId)) this.#kick(one);
    }
    return NO_BODY;
  }

  #kick({ gateId, channelId }: Session): void {
    const gate = Number(gateId.at(-1)), link = this.#links[gate];
    if (link) this.#send(link, gate, makeHeader("login.signin", { flag: FLAG.PUSH }), NO_BODY, channelId);
  }

  #send(link: WaitingLink, gate: number, header: ReturnType<typeof makeHeader>, body: Uint8Array, id: string): void {
    const [channels, positions] = id === "" ? [[], []] : [[id], [0]];
    link.down.push({ header, body, gateId: `gw${gate}`, channels, positions, own: false, answers: 0 });
  }
}

async function run(seed: number): Promise<World> {
  const world = new World(seed), { random, servers } = world;
  for (const server of servers) for (const gate of GATES) server.connect(gate);
  for (let second = 0; second < 3; second++) await world.pass(1_000);
  for (let step = 0; step < STEPS; step++) {
    const what = random(), gate = Math.floor(random() * 2), server = servers[Math.floor(random() * 2)]!;
    if (what < 0.12) world.login(gate);
    else if (what < 0.16) [...world.clients].slice(-1).forEach((client) => world.leave(client));
    else if (what < 0.45) await server.work(gate);
    else if (what < 0.7) server.deliver(gate);
    else if (what < 0.73) server.cut(gate);
    else if (what < 0.8) server.connect(gate);
    else if (what < 0.815) world.flush();
    else if (what < 0.83) world.away(!world.isAway);
    else if (what < 0.86) world.ping();
    else await world.pass(Math.floor(random() * 700));
  }
  world.away(false);
  for (let turn = 0; turn < 120; turn++) {
    for (const server of servers) {
      for (const gate of GATES) {
        server.connect(gate);
        while (await server.work(gate));
        while (server.deliver(gate));
      }
    }
    if (turn % 20 === 0) world.ping();
    await world.pass(250);
  }
  return world;
}

test("whatever links, servers and the session store do: who is online in the end has a session, and nobody else", async () => {
  let online = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const world = await run(seed);
    const open = [...world.clients].map(({ channel }) => channel.id).sort();
    const located = (await world.sessions.locate("kim", ["ann"])).map(({ channelId }) => channelId).sort();
    expect([seed, located]).toEqual([seed, open]);
    online += open.length;
  }
  expect(online).toBeGreaterThan(RUNS / 2);
});
