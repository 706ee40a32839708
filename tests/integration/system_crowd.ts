import { expect } from "bun:test";
import { wait } from "../../src/load/pool.ts";
import type { Random } from "../../src/load/random.ts";
import type { WireClient } from "../../src/load/wire_client.ts";
import { CAPS, type LocalSystem, TRANSPORTS } from "./system_local.ts";

const SENDERS = 4;

/** Accounts that write to one other all the time, quickly and slowly by turns. */
export class Crowd {
  sent = 0;
  readonly #local: LocalSystem;
  readonly #dest: string;
  readonly #random: Random;
  readonly #clients: WireClient[];
  #stopped = false;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(local: LocalSystem, dest: string, random: Random, clients: WireClient[]) {
    this.#local = local;
    this.#dest = dest;
    this.#random = random;
    this.#clients = clients;
  }

  /** The first messages are stored when it gives the crowd; the others follow until `stop`. */
  static async start(local: LocalSystem, dest: string, random: Random, first: number): Promise<Crowd> {
    const clients = await Promise.all(
      Array.from({ length: SENDERS }, (_, i) => local.login(TRANSPORTS[i % 2]!, local.name("sender"))),
    );
    const crowd = new Crowd(local, dest, random, clients);
    await crowd.burst(first);
    crowd.#writing = Promise.all(clients.map((client) => crowd.#write(client)));
    return crowd;
  }

  /** So many messages, as fast as they are taken. */
  async burst(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, (_, i) => this.#send(this.#clients[i % SENDERS]!)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#writing;
    for (const client of this.#clients) client.close();
  }

  /** The whole inbox, by position, as it is now. */
  async inbox() {
    await using reader = await this.#reader();
    return await reader.inbox.readSync();
  }

  /** The message received last. */
  async newest(): Promise<bigint> {
    const rows = await this.inbox();
    return BigInt(rows.findLast(({ direction }) => direction === 0)!.messageId);
  }

  #reader(): Promise<WireClient> {
    return this.#local.login("tcp", this.#dest, { meta: new Map([...CAPS, ["im.device", "judge"]]) });
  }

  async #write(client: WireClient): Promise<void> {
    while (!this.#stopped) {
      await Promise.all(Array.from({ length: this.#random.between(1, 6) }, () => this.#send(client)));
      await wait(this.#random.between(0, 40));
    }
  }

  async #send(client: WireClient): Promise<void> {
    const { status } = await client.talk(this.#dest, `${this.sent++}`);
    expect(status).toBe(0);
  }
}
