import { ImError } from "../../base/errors.ts";
import { decodeBody } from "../../protocol/bodies.ts";
import * as pkt from "../../protocol/gen/pkt_messages.ts";
import type { Claim, Leases } from "../../session/leases.ts";
import { MemoryLeases } from "../../session/memory_leases.ts";
import type { ClientChannel } from "./client_channel.ts";
import { Bench, Wire } from "./gateway_bench.fixture.ts";

/** Leases that can be out of reach, and whose answers can be lost. */
export class Store implements Leases {
  kept: MemoryLeases | undefined;
  fate: "works" | "down" | "answer lost" = "works";
  claims = 0;
  /** Questions are carried out after that. */
  held: Promise<void> | undefined;

  async claim(name: string, holder: string, ttlMs: number): Promise<Claim> {
    this.claims++;
    if (this.held) await this.held;
    if (this.fate === "down") throw new ImError("SYSTEM", "Cannot reach the store");
    const claim = await this.kept!.claim(name, holder, ttlMs);
    if (this.fate === "answer lost") throw new ImError("SYSTEM", "Cannot reach the store");
    return claim;
  }

  release(name: string, holder: string): Promise<void> {
    return this.kept!.release(name, holder);
  }
}

/** A gateway with a lease. */
export class LeaseBench extends Bench {
  readonly store: Store;

  constructor(fate: Store["fate"] = "works") {
    const store = new Store();
    super({ incarnation: "run1" }, ["chat1"], { leases: store });
    this.store = store;
    store.kept = new MemoryLeases(this.clock);
    store.fate = fate;
  }

  static async start(): Promise<LeaseBench> {
    const bench = new LeaseBench();
    await bench.pass(3_000);
    return bench;
  }

  /** Time passes a second at a time, and what was asked is answered. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 1_000) {
      this.clock.advance(Math.min(left, 1_000));
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
  }

  /** The process stands still: no timer runs. */
  async stall(ms: number): Promise<void> {
    this.clock.stall(ms);
    await this.pass(1_000);
  }

  asked(command: string) {
    return this.logic.up.filter(({ header }) => header.command === command);
  }

  restored(): string[] {
    return this.asked("im.restore").flatMap(({ body }) => decodeBody(pkt.RestoreReq, body).sessions)
      .map(({ channelId }) => channelId);
  }

  logins(count: number): { wires: Wire[]; channels: ClientChannel[] } {
    const wires = Array.from({ length: count }, () => new Wire());
    return { wires, channels: wires.map((wire, i) => this.login(wire, 0, {}, `user${i}`)) };
  }
}
