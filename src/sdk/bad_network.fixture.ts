import fc from "fast-check";
import { FakeClock } from "../base/fake_clock.ts";
import type { PetrelClient } from "./client.ts";
import { fakeClient, FakeServer, settle } from "./fake_server.ts";
import type { ClientOptions } from "./options.ts";

/** For `fc.assert`: a run that fails says its seed before the test's time is over, however far it was made smaller. */
export const RUNS = { numRuns: 150, interruptAfterTimeLimit: 40_000 } as const;

const TROUBLES = ["lose", "double", "delay", "normal", "cut", "busy"] as const;

/** What may happen between two steps of the network. */
export type NetworkAct =
  | { readonly do: (typeof TROUBLES)[number] }
  | { readonly do: "pass"; readonly ms: number };

/** Acts of the network, and `more` that are as likely as each of its troubles. */
export function networkActs<const More extends string>(...more: readonly More[]) {
  return {
    /** Without a number. */
    troubles: fc.record({ do: fc.constantFrom(...TROUBLES, ...more) }),
    pass: fc.record({ do: fc.constant("pass"), ms: fc.integer({ min: 0, max: 3_000 }) }),
  };
}

/** Numbers from 0 to 99. */
export const anyDice = fc.infiniteStream(fc.nat(99));

/** A server, its clients, one after the other, and what is between them, which does what `act` says. */
export class BadNetwork {
  readonly server = new FakeServer();
  readonly clock = new FakeClock();
  readonly #dice: Iterator<number>;
  readonly #late: (() => void)[] = [];
  #clients = 0;

  constructor(dice: Iterator<number>) {
    this.#dice = dice;
    this.server.resume = 40;
  }

  chance(percent: number): boolean {
    return this.#next() < percent;
  }

  /** A client that logs in. Its message ids differ from those of the clients before. */
  client(onMessage: Parameters<PetrelClient["onMessage"]>[0], options: Partial<ClientOptions>): PetrelClient {
    const forIds = Array<number>(4).fill(++this.#clients / 1_000); // the first numbers make them
    const random = () => forIds.pop() ?? this.#next() / 100;
    const { client } = fakeClient(this.server, this.clock, { random, waiting: 100_000, ...options });
    client.onMessage(onMessage);
    void client.login().catch(() => {}); // closed before it was answered
    return client;
  }

  act(act: NetworkAct): void {
    const { server } = this;
    switch (act.do) {
      case "lose":
        server.push = (_pos, send) => this.chance(60) ? send() : undefined;
        break;
      case "double":
        server.push = (_pos, send) => (send(), this.chance(50) && send());
        break;
      case "delay":
        server.push = (_pos, send) => this.chance(50) ? void this.#late.push(send) : send();
        break;
      case "busy":
        server.answer = (_packet, channel) => {
          if (this.chance(10)) channel.cut();
          return this.chance(70) ? undefined : this.chance(50) ? 302 : this.chance(50) ? 300 : "silence";
        };
        break;
      case "normal":
        server.push = (_pos, send) => send();
        server.answer = () => undefined;
        break;
      case "cut":
        for (const channel of server.online("bob")) channel.cut();
        break;
      case "pass":
        this.clock.advance(act.ms);
        break;
    }
  }

  /** After each act: some of what is late comes, in any order. */
  async step(): Promise<void> {
    while (this.#late.length > 0 && this.chance(50)) this.#late.splice(this.#next() % this.#late.length, 1)[0]!();
    await settle();
  }

  /** At the end all is well: what is late comes, and time goes on until it is `done`, or a long time is over. */
  async end(done: () => boolean): Promise<void> {
    this.act({ do: "normal" });
    for (const send of this.#late) send();
    for (let i = 0; i < 400; i++) {
      this.clock.advance(1_000);
      await settle();
      if (done()) break;
    }
  }

  #next(): number {
    return this.#dice.next().value;
  }
}
