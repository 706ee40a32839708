import { expect, test } from "bun:test";
import type { Upward } from "../../container/link.ts";
import { RequestKeys } from "../../message/request_keys.ts";
import { FLAG, makeHeader } from "../../protocol/header.ts";
import { NO_BODY } from "../../protocol/packet.ts";
import { STATUS } from "../../protocol/status.ts";
import type { ClientChannel } from "./client_channel.ts";
import { Bench, Wire } from "./gateway_bench.fixture.ts";
import { randomOf, WaitingLink } from "./random_link.fixture.ts";

const RUNS = 300, STEPS = 400;

/** What all logic servers store, by the rules of src/message. */
class Store {
  readonly sequences: number[] = [];
  readonly #keys = new RequestKeys<"stored" | "refused">();

  /** The status; undefined: nobody waits for the answer. */
  talk({ header, key, again }: Upward, isBusy: boolean): number | undefined {
    const known = this.#keys.find(key!);
    if (known === "answered") return undefined;
    if (known) return known === "stored" ? STATUS.SUCCESS.wire : STATUS.BUSY.wire;
    const isOvertaken = again && [...this.#keys.after(key!)].includes("stored");
    if (!isBusy && !isOvertaken) {
      this.#keys.add(key!, "stored", 0);
      this.sequences.push(header.sequence);
      return STATUS.SUCCESS.wire;
    }
    if (again) this.#keys.add(key!, "refused", 0);
    return STATUS.BUSY.wire;
  }
}

/** A logic server that reads, answers and fails when it is told to. */
class Server {
  link: WaitingLink | undefined;
  readonly #id: string;
  readonly #bench: Bench;
  readonly #store: Store;
  readonly #random: () => number;
  /** What it had read from links that are gone. */
  readonly #late: { readonly packet: Upward; readonly from: WaitingLink }[] = [];

  constructor(id: string, bench: Bench, store: Store, random: () => number) {
    this.#id = id;
    this.#bench = bench;
    this.#store = store;
    this.#random = random;
    this.connect();
  }

  connect(): void {
    if (!this.link) this.#bench.gateway.attach(this.link = new WaitingLink(this.#id));
  }

  /** The last of what was on the way is lost, or nothing. */
  cut(): void {
    const { link } = this;
    if (!link) return;
    this.link = undefined;
    link.state = "closed";
    const arrived = Math.floor(this.#random() * 2 * (link.up.length + 1));
    for (const packet of link.up.slice(0, arrived)) this.#late.push({ packet, from: link });
    this.#bench.gateway.changed(link);
  }

  drain(): void {
    if (this.link?.state !== "open") return;
    this.link.state = "draining";
    this.#bench.gateway.changed(this.link);
  }

  /** Carries out the next request. False: there is none. */
  work(): boolean {
    const late = this.#late.shift();
    const from = late?.from ?? this.link;
    const packet = late?.packet ?? from?.up.shift();
    if (!packet || !from) return false;
    const { command } = packet.header;
    const isTalk = command === "chat.user.talk";
    const status = isTalk ? this.#store.talk(packet, this.#random() < 0.15) : STATUS.SUCCESS.wire;
    const to = this.link ?? from;
    const isSaid = to === from || packet.again || status === STATUS.SUCCESS.wire; // as LogicServer does
    if (status === undefined || !isSaid || !(isTalk || command === "login.signin")) return true;
    to.down.push({
      header: makeHeader(command, { ...packet.header, flag: FLAG.RESPONSE, status }),
      body: NO_BODY,
      gateId: "gw",
      channels: [packet.header.channelId],
      positions: [0],
      own: false,
      answers: packet.key?.n ?? 0,
    });
    return true;
  }

  /** The next answer reaches the gateway. */
  deliver(): void {
    const packet = this.link?.down.shift();
    if (packet) this.#bench.gateway.down(packet, this.link!);
  }
}

function run(
  seed: number,
): { stored: number[]; answers: (readonly [number, number])[]; asked: number; closed: boolean } {
  const random = randomOf(seed);
  const bench = new Bench({}, []), store = new Store(), wire = new Wire();
  const servers = ["a", "b", "c"].map((id) => new Server(id, bench, store, random));
  const channel = bench.first(wire) as ClientChannel;
  let asked = 0;
  for (let step = 0; step < STEPS; step++) {
    const what = random(), server = servers[Math.floor(random() * servers.length)]!;
    if (what < 0.3) bench.send(channel, "chat.user.talk", { dest: "bob", sequence: ++asked });
    else if (what < 0.55) server.work();
    else if (what < 0.75) server.deliver();
    else if (what < 0.79) server.cut();
    else if (what < 0.87) server.connect();
    else if (what < 0.9) server.drain();
    else if (what >= 0.93) bench.clock.advance(Math.floor(random() * 400));
    else if (server.link) server.link.full = !server.link.full;
  }
  for (let turn = 0; turn < 40; turn++) {
    for (const server of servers) {
      if (server.link?.state === "draining") server.cut();
      server.connect();
      server.link!.full = false;
      while (server.work());
      while (server.link!.down.length > 0) server.deliver();
    }
    bench.clock.advance(100);
  }
  const answers = wire.out.filter(({ header }) => header.command === "chat.user.talk")
    .map(({ header }) => [header.sequence, header.status] as const);
  return { stored: store.sequences, answers, asked, closed: wire.closed !== undefined };
}

test("whatever links and servers do, each talk is answered once, stored if that says so, and in order", () => {
  let stored = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const at = run(seed);
    if (at.closed) continue; // its login took too long
    const successes = at.answers.filter(([, status]) => status === STATUS.SUCCESS.wire).map(([sequence]) => sequence);
    const told = at.answers.map(([sequence]) => sequence).sort((a, b) => a - b);
    expect([seed, told]).toEqual([seed, Array.from({ length: at.asked }, (_, i) => i + 1)]);
    expect([seed, at.stored]).toEqual([seed, successes.sort((a, b) => a - b)]);
    stored += at.stored.length;
  }
  expect(stored).toBeGreaterThan(10 * RUNS);
});
