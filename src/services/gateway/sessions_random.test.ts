import { expect, test } from "bun:test";
import type { Upward } from "../../container/link.ts";
import { decodeBody, encodeBody } from "../../protocol/bodies.ts";
import { CLOSE } from "../../protocol/close_reason.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import { FLAG, type Header, makeHeader } from "../../protocol/header.ts";
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

/** When the store took a login: once, or again when it was tried at another server. */
interface Taken {
  readonly first: number;
  last: number;
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
  /** Kick-outs in favour of an older login. */
  readonly wrong: string[] = [];
  /** Sessions that were put back and put an older one out. */
  tookOver = 0;
  forgot = false;
  readonly clients = new Set<Client>();
  sessions!: MemorySessionStore;
  isAway = false;
  readonly #taken = new Map<string, Taken>();
  #takes = 0;
  #copy: Session[] = [];

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

  async copy(): Promise<void> {
    const found = await this.sessions.locate("kim", ["ann"]);
    const all = await Promise.all(found.map(({ channelId }) => this.sessions.get(channelId)));
    this.#copy = all.filter((one) => one !== undefined);
  }

  /** The store loses what was written since the last copy. */
  async goBack(): Promise<void> {
    this.forgot = true;
    this.sessions = new MemorySessionStore(this.#clock, { devices: 16, leases: this.#leases[0]!.kept! });
    await this.sessions.restore(this.#copy);
  }

  generation(): bigint {
    return BigInt(this.#takes + 1);
  }

  took({ channelId }: Session): void {
    const now = ++this.#takes, taken = this.#taken.get(channelId);
    if (taken) taken.last = now;
    else this.#taken.set(channelId, { first: now, last: now });
  }

  kicked({ channelId }: Session, by: string | undefined): void {
    const older = by === undefined ? -1 : this.#taken.get(by)!.last;
    if (older < this.#taken.get(channelId)!.first) this.wrong.push(`${channelId} by ${by}`);
  }

  away(on: boolean): void {
    this.isAway = on;
    for (const store of this.#leases) store.fate = on ? "down" : "works";
  }

  isLate({ startBy }: Upward): boolean {
    return this.#clock.mono() > startBy;
  }

  login(gate: number): void {
    const meta = [textMeta(META.CAPS, "1"), textMeta(META.DEVICE, `phone${Math.floor(this.random() * 2)}`)];
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
    const [status, body, generation] = await this.#answerTo(packet, gate).then(
      ([body, generation]) => [STATUS.SUCCESS.wire, body, generation] as const,
      () => [STATUS.SYSTEM.wire, NO_BODY, undefined] as const,
    );
    const to = this.#links[gate] ?? from;
    if (to !== from && !packet.again && status !== STATUS.SUCCESS.wire) return true; // as LogicServer does
    this.#send(
      to,
      gate,
      makeHeader(header.command, { ...header, flag: FLAG.RESPONSE, status }),
      body,
      header.channelId,
      generation,
    );
    return true;
  }

  /** The next packet reaches the gateway. False: there is none. */
  deliver(gate: number): boolean {
    const link = this.#links[gate], packet = link?.down.shift();
    if (packet) this.#world.gateways[gate]!.gateway.down(packet, link!);
    return packet !== undefined;
  }

  async #answerTo(packet: Upward, gate: number): Promise<[body: Uint8Array, generation?: bigint]> {
    const { header: { command, channelId }, body } = packet;
    const world = this.#world, { sessions, isAway } = world;
    if (command === "im.heads") {
      const ids = decodeBody(pkt.HeadsReq, body).items.map((item) => item.channelId);
      const missing = isAway ? [] : await sessions.touch(ids);
      return [encodeBody(pkt.HeadsResp, { positions: ids.map(() => 0), missing })];
    }
    if (isAway) throw new Error("The store is away");
    if (command === "login.signout") await sessions.end(channelId);
    else if (world.isLate(packet)) throw new Error("Too late");
    else if (command === "login.signin") {
      const login = { ...decodeBody(pkt.Session, body), channelId, generation: world.generation() };
      const session = sessionOf(login, gate);
      const replaced = await sessions.add(session);
      world.took(session);
      for (const old of replaced) if (old.channelId !== channelId) this.#kick(old, channelId);
      return [encodeBody(pkt.LoginResp, { channelId }), session.generation];
    } else if (command === "im.restore") {
      const asked = decodeBody(pkt.RestoreReq, body).sessions.map((one) => sessionOf(one, gate));
      for (const gone of await sessions.restore(asked)) {
        if (!asked.includes(gone)) world.tookOver++;
        const all = await sessions.locate(gone.app, [gone.account]);
        this.#kick(gone, all.find(({ device }) => device === gone.device)?.channelId);
      }
    }
    return [NO_BODY];
  }

  #kick(session: Session, by: string | undefined): void {
    this.#world.kicked(session, by);
    const { gateId, channelId } = session;
    const gate = Number(gateId.at(-1)), link = this.#links[gate];
    if (link) this.#send(link, gate, makeHeader("login.signin", { flag: FLAG.PUSH }), NO_BODY, channelId);
  }

  #send(link: WaitingLink, gate: number, header: Header, body: Uint8Array, id: string, generation?: bigint): void {
    const [channels, positions] = id === "" ? [[], []] : [[id], [0]];
    link.down.push({ header, body, gateId: `gw${gate}`, channels, positions, own: false, generation, answers: 0 });
  }
}

function sessionOf({ app, account, device, channelId, generation }: pkt.Session, gate: number): Session {
  const where = { gateId: `gw${gate}`, incarnation: `run${gate}`, content: "protobuf" as const };
  return { app, account, device, channelId, generation, ...where, remoteIp: "", zone: "", isp: "", tags: [] };
}

/** `loss` of the store: how much of it is lost, sometimes. */
async function run(seed: number, loss: "nothing" | "everything" | "what is new"): Promise<World> {
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
    else if (what < 0.815) {
      if (loss === "everything") world.flush();
      else if (loss === "what is new") await world.goBack();
    } else if (what < 0.82 && loss === "what is new") await world.copy();
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

test.each(["nothing", "everything", "what is new"] as const)(
  "whatever links and servers do, and a store that loses %s: who is online has a session, and is the device's newest",
  async (loss) => {
    let online = 0, tookOver = 0;
    for (let seed = 1; seed <= RUNS; seed++) {
      const world = await run(seed, loss);
      expect([seed, world.wrong]).toEqual([seed, []]);
      const open = [...world.clients].map(({ channel }) => channel.id).sort();
      const located = (await world.sessions.locate("kim", ["ann"])).map(({ channelId }) => channelId).sort();
      // A session of before whose channel is gone may be back with an old copy of the store.
      const found = world.forgot ? located.filter((id) => open.includes(id)) : located;
      expect([seed, found]).toEqual([seed, open]);
      online += open.length;
      tookOver += world.tookOver;
    }
    expect(online).toBeGreaterThan(RUNS / 2);
    expect(tookOver).toBeGreaterThan(0);
  },
);
