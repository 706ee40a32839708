import { expect } from "bun:test";
import type { Packet } from "../../src/load/packet.ts";
import { wait } from "../../src/load/pool.ts";
import { Message } from "../../src/load/proto.ts";
import type { Random } from "../../src/load/random.ts";
import type { WireClient } from "../../src/load/wire_client.ts";
import { CAPS, type LocalSystem, TRANSPORTS } from "./system_local.ts";

/** Waits in vain for a message that must not be missing. */
const PATIENCE_MS = 5_000;

/** One connection of an old client: what a person saw on it, from the first index on. */
export class OldConnection {
  readonly seen: bigint[] = [];
  /** The newest message of which the server has confirmed the ack. */
  acked = 0n;
  readonly #client: WireClient;
  readonly #random: Random;
  #shown = 0;
  #paged = false;

  constructor(client: WireClient, random: Random) {
    this.#client = client;
    this.#random = random;
  }

  /** Pages the index to the empty page, with the contents of every page, dawdling now and then. */
  async page(): Promise<void> {
    for (let last = 0n;;) {
      const rows = await this.#client.inbox.index(last);
      if (last === 0n) this.#shown = this.#client.pushes.length; // pushed before the server knew of the first index
      this.acked = last;
      if (rows.length === 0) break;
      last = rows.at(-1)!.messageId;
      for (let at = 0; at < rows.length; at += 200) {
        const ids = rows.slice(at, at + 200).map(({ messageId }) => messageId);
        expect((await this.#client.inbox.contents(ids)).every((text) => text !== "")).toBe(true);
      }
      this.seen.push(...rows.map(({ messageId }) => messageId));
      if (this.#random.next() < 0.3) await wait(this.#random.between(0, 200));
    }
    this.#paged = true;
  }

  /** Reads pushes for a while, and acknowledges some. */
  async stay(ms: number): Promise<void> {
    for (const end = performance.now() + ms; performance.now() < end;) {
      await wait(20);
      this.#show();
      if (this.#random.next() < 0.1) await this.#client.talk("somebody", "mine"); // in its inbox, but not shown to it
      const newest = this.seen.at(-1);
      if (newest === undefined || this.#random.next() < 0.7) continue;
      await this.#client.ack(newest);
      this.acked = newest;
    }
  }

  async reach(id: bigint): Promise<void> {
    await this.#client.until(() => {
      this.#show();
      return this.seen.at(-1) === id;
    }, PATIENCE_MS);
  }

  /** Some say goodbye, some are cut off. */
  async leave(): Promise<void> {
    if (this.#random.next() < 0.5) this.#client.close();
    else this.#client.conn.destroy();
    await this.#client.ended;
    this.#show();
  }

  #show(): void {
    if (!this.#paged) return;
    const pushes = this.#client.pushes;
    for (; this.#shown < pushes.length; this.#shown++) this.seen.push(messageOf(pushes[this.#shown]!));
  }
}

export interface Seen {
  readonly pos: number;
  readonly messageId: string;
}

/** The id of the message that a push brings. */
function messageOf(push: Packet): bigint {
  expect([push.command, push.flag, push.status]).toEqual(["chat.user.talk", 2, 0]);
  return new Message(push.body).int64(1);
}

/** Our client over all its connections: it tells where it is and is never shown anything twice. */
export class OurReader {
  readonly seen: Seen[] = [];
  /** Why logins were not recovered; "" when they were. */
  readonly reasons = new Set<string>();
  readonly #local: LocalSystem;
  readonly #account: string;
  #epoch = "";
  #client: WireClient | undefined;
  #taken = 0;
  /** What was sent on this connection: its place is told by its answer. */
  readonly #own = new Map<number, string>();

  constructor(local: LocalSystem, account: string) {
    this.#local = local;
    this.#account = account;
  }

  get cursor(): number {
    return this.seen.length;
  }

  async connect(random: Random): Promise<void> {
    const client = this.#client = await this.#local.open(random.pick(TRANSPORTS));
    this.#taken = 0;
    this.#own.clear();
    const resume = { cursor: this.cursor, epoch: this.#epoch, meta: CAPS };
    const { status, body } = await client.login(this.#local.token(this.#account), resume);
    expect(status).toBe(0);
    const [recovered, reason, head, epoch] = [body.uint(100) === 1, body.text(101), body.uint(102), body.text(103)];
    this.reasons.add(reason);
    if (this.#epoch !== "") expect(epoch).toBe(this.#epoch);
    this.#epoch = epoch;
    expect(head).toBeGreaterThanOrEqual(this.cursor);
    while (!recovered && this.cursor < head) {
      const page = await client.inbox.sync(this.cursor, random.between(1, 201));
      // Rows above the head at login come as pushes, too: they are taken from there.
      for (const { messageId, userSeq } of page.messages) if (userSeq <= head) this.#take(userSeq, `${messageId}`);
      if (random.next() < 0.3) await wait(random.between(0, 100));
    }
  }

  async talk(dest: string): Promise<void> {
    const { status, messageId, userSeq } = await this.#client!.talk(dest, "mine");
    expect(status).toBe(0);
    this.#own.set(userSeq, `${messageId}`);
  }

  async reach(pos: number): Promise<void> {
    await this.#client!.until(() => {
      this.#show();
      return this.cursor === pos;
    }, PATIENCE_MS);
  }

  async leave(random: Random): Promise<void> {
    if (random.next() < 0.5) this.#client!.close();
    else this.#client!.conn.destroy();
    await this.#client!.ended;
    this.#show();
  }

  /** Pushes in the order they came: each stands for the very next position that is no answer's. */
  #show(): void {
    const pushes = this.#client!.pushes;
    for (; this.#taken < pushes.length; this.#taken++) {
      const push = pushes[this.#taken]!;
      this.#takeOwn();
      this.#take(Number(push.meta.get("im.pos")), `${messageOf(push)}`);
    }
    this.#takeOwn();
  }

  #takeOwn(): void {
    for (let id = this.#own.get(this.cursor + 1); id !== undefined; id = this.#own.get(this.cursor + 1)) {
      this.seen.push({ pos: this.cursor + 1, messageId: id });
    }
  }

  #take(pos: number, messageId: string): void {
    expect(pos).toBe(this.cursor + 1);
    this.seen.push({ pos, messageId });
  }
}
