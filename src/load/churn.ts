import { change, makeGroup } from "./group_maker.ts";
import { type ChurnVerdict, judgeChurn, type Membership, type Reading, type Said } from "./churn_judge.ts";
import { FLAG } from "./packet.ts";
import { pool, wait } from "./pool.ts";
import { Message, MessageWriter } from "./proto.ts";
import { Random } from "./random.ts";
import type { WireClient } from "./wire_client.ts";
import { readMessage } from "./wire_inbox.ts";

export interface ChurnOptions {
  /** Logs an account's device in; without `ours` as an old client. */
  readonly login: (account: string, device: string, ours: boolean) => Promise<WireClient>;
  /** Accounts of the run begin with it. */
  readonly prefix: string;
  /** Accounts that are in the group at some time; a fifth of them joins later. */
  readonly members: number;
  /** How many of them are online: ours, old clients, and some with both. */
  readonly online: number;
  /** Messages in all. */
  readonly talks: number;
  readonly seed: number;
  /** How many of those who were away are read afterwards, at most. */
  readonly readers?: number;
  readonly say?: (line: string) => void;
}

export interface ChurnResult {
  readonly verdict: ChurnVerdict;
  readonly stored: number;
  readonly refused: number;
  readonly changes: number;
  readonly readings: number;
  /** Members at the end. */
  readonly members: number;
  /** Did the group become large, and after how many of the messages? */
  readonly largeFrom: number | undefined;
}

const KINDS = ["ours", "old", "both"] as const;

/**
 * Members of one group talk, leave and come back all the time; others, who are away, are added and removed. Judged is
 * what every device was shown, and what the store shows everybody afterwards, both ways.
 * @throws {Error} a request that must be granted is refused, or not answered.
 */
export async function churn(options: ChurnOptions): Promise<ChurnResult> {
  const run = new Churn(options);
  try {
    return await run.run();
  } finally {
    await run.close();
  }
}

/** An online account, or the memory of one that is away. */
class Account {
  readonly name: string;
  readonly times: Membership[] = [];
  readonly clients: WireClient[] = [];
  constructor(name: string) {
    this.name = name;
  }

  get isIn(): boolean {
    return this.times.length > 0 && this.times.at(-1)!.quitMs === Infinity;
  }
  get isOnline(): boolean {
    return this.clients.length > 0;
  }
  joined(joinMs: number): void {
    this.times.push({ joinMs, joinedMs: performance.now(), quitMs: Infinity, quittedMs: Infinity });
  }
}

class Churn {
  readonly #options: ChurnOptions;
  readonly #accounts: Account[];
  readonly #said: Said[] = [];
  #refused = 0;
  #changes = 0;
  #left: number;
  #group = "";
  #largeFrom: number | undefined;

  constructor(options: ChurnOptions) {
    this.#options = options;
    this.#left = options.talks;
    this.#accounts = Array.from({ length: options.members }, (_, i) => new Account(`${options.prefix}-${i}`));
  }

  async run(): Promise<ChurnResult> {
    const { online, seed, say, members } = this.#options;
    const accounts = this.#accounts;
    await pool(online, 10, async (i) => {
      const kind = i === 0 ? "ours" : KINDS[i % KINDS.length]!;
      if (kind !== "old") accounts[i]!.clients.push(await this.#login(accounts[i]!, "ours", true));
      if (kind !== "ours") accounts[i]!.clients.push(await this.#login(accounts[i]!, "old", false));
    });
    const start = performance.now();
    const first = accounts.filter((_, i) => i === 0 || i % 5 !== 4);
    this.#group = await makeGroup(accounts[0]!.clients[0]!, first.map((one) => one.name));
    for (const one of first) one.joined(start);
    say?.(`${first.length} of ${members} in the group, ${online} online`);
    await Promise.all([
      ...accounts.slice(0, online).map((one, i) => this.#live(one, new Random(seed * 1000 + i))),
      this.#manage(new Random(seed)),
    ]);
    await this.#quiet();
    const readings = accounts.slice(0, online).flatMap((one) => one.clients.map((client) => this.#shown(one, client)));
    readings.push(...await this.#read(new Random(seed + 7)));
    const memberships = new Map(accounts.map((one) => [one.name, one.times]));
    return {
      verdict: judgeChurn(this.#said, memberships, readings),
      stored: this.#said.length,
      refused: this.#refused,
      changes: this.#changes,
      readings: readings.length,
      members: accounts.filter((one) => one.isIn).length,
      largeFrom: this.#largeFrom,
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#accounts.flatMap(({ clients }) => clients.map((client) => client[Symbol.asyncDispose]())));
  }

  async #login(account: Account, device: string, ours: boolean): Promise<WireClient> {
    const client = await this.#options.login(account.name, device, ours);
    if (!ours) await client.inbox.index(0n);
    return client;
  }

  /** An online account talks, leaves and comes back. The owner stays. */
  async #live(account: Account, random: Random): Promise<void> {
    const owner = account === this.#accounts[0];
    while (this.#left > 0) {
      const client = random.pick(account.clients);
      if (!account.isIn) await this.#join(account, client);
      else if (!owner && random.next() < 0.1) await this.#quit(account, client);
      else await this.#talk(account, client);
      if (random.next() < 0.3) await wait(random.between(0, 4));
    }
  }

  /** The owner adds and removes those who are away. */
  async #manage(random: Random): Promise<void> {
    const owner = this.#accounts[0]!.clients[0]!;
    const away = this.#accounts.filter((one) => !one.isOnline);
    while (this.#left > 0) {
      const go = this.#left < this.#options.talks / 2; // first they only come: a group that is near the border crosses it
      for (let i = 0; i < Math.ceil(away.length / 100); i++) {
        const account = random.pick(away);
        if (!account.isIn) await this.#join(account, owner);
        else if (go && random.next() < 0.2) await this.#quit(account, owner);
      }
      if (this.#largeFrom === undefined && await this.#isLarge()) this.#largeFrom = this.#said.length;
      await wait(random.between(1, 6));
    }
  }

  async #isLarge(): Promise<boolean> {
    const owner = this.#accounts[0]!.clients[0]!;
    const answer = await owner.ok("chat.group.detail", new MessageWriter().text(1, this.#group).done());
    return answer.uint(102) === 1;
  }

  async #join(account: Account, by: WireClient): Promise<void> {
    const joinMs = performance.now();
    await change(by, "join", this.#group, account.name);
    account.joined(joinMs);
    this.#changes++;
  }

  async #quit(account: Account, by: WireClient): Promise<void> {
    const time = account.times.at(-1)!;
    time.quitMs = performance.now();
    await change(by, "quit", this.#group, account.name);
    time.quittedMs = performance.now();
    this.#changes++;
  }

  async #talk(account: Account, client: WireClient): Promise<void> {
    const startMs = performance.now();
    const body = new MessageWriter().int(1, 1).text(2, `${account.name} ${this.#left--}`).done();
    const { status, body: answer } = await client.request("chat.group.talk", body, this.#group);
    if (status !== 0) {
      if (status < 300) throw new Error(`chat.group.talk of a member: status ${status}`);
      this.#refused++;
      return wait(20);
    }
    const messageId = `${new Message(answer).int64(1)}`;
    this.#said.push({ messageId, sender: account.name, startMs, ackMs: performance.now() });
  }

  /** Until nothing has come for a second; pings show lost tails. */
  async #quiet(): Promise<void> {
    const clients = this.#accounts.flatMap((one) => one.clients);
    const arrived = () => clients.reduce((n, client) => n + client.pushes.length, 0);
    let before = -1;
    for (let i = 0; i < 10 && arrived() !== before; i++) {
      before = arrived();
      for (const client of clients) client.ping();
      await wait(1_300);
    }
  }

  /** What a device was pushed. Ours has two streams, by position and by seq: what both bring it shows once. */
  #shown({ name }: Account, client: WireClient): Reading {
    const had: [Set<string>, Set<string>] = [new Set(), new Set()];
    const streams: [number[], number[]] = [[], []];
    const messageIds: string[] = [];
    for (const packet of client.pushes) {
      if (packet.command !== "chat.group.talk" || packet.flag !== FLAG.PUSH || packet.dest !== this.#group) continue;
      const { messageId, sender, seq } = readMessage(new Message(packet.body));
      const id = `${messageId}`;
      const pos = Number(packet.meta.get("im.pos") ?? 0);
      const [stream, other] = pos > 0 ? [0, 1] as const : [1, 0] as const;
      streams[stream].push(pos > 0 ? pos : seq);
      if (sender === name || (had[other].has(id) && !had[stream].has(id))) continue;
      had[stream].add(id);
      messageIds.push(id);
    }
    return { account: name, by: `client ${client.name} online`, messageIds, streams, whole: true };
  }

  /** What the store shows afterwards: everybody who was online, and some of the others. */
  async #read(random: Random): Promise<Reading[]> {
    const { online, readers = 40 } = this.#options;
    const away = this.#accounts.slice(online);
    while (away.length > readers) away.splice(random.between(0, away.length), 1);
    const wanted = [...this.#accounts.slice(0, online), ...away];
    const readings: Reading[] = [];
    await pool(wanted.length, 8, async (i) => {
      const account = wanted[i]!;
      const { name } = account;
      const client = await this.#options.login(name, "after", false);
      const rows = [];
      for (let last = 0n;;) {
        const page = await client.inbox.index(last);
        if (page.length === 0) break;
        rows.push(...page.filter((row) => row.group === this.#group));
        last = page.at(-1)!.messageId;
      }
      await client[Symbol.asyncDispose]();
      const messageIds = rows.map((row) => `${row.messageId}`);
      readings.push({ account: name, by: "index afterwards", messageIds, streams: [], whole: true });
      if (!account.isIn) return;
      const ours = account.clients[0] ?? await this.#options.login(name, "ours", true);
      const history = await readHistory(ours, this.#group);
      if (!account.isOnline) await ours[Symbol.asyncDispose]();
      readings.push({
        account: name,
        by: "history afterwards",
        messageIds: history.filter((one) => one.sender !== name).map((one) => `${one.messageId}`),
        streams: [history.map((one) => one.seq)],
        whole: true,
      });
    });
    return readings;
  }
}

/** A whole conversation of a group, from its beginning. */
async function readHistory(client: WireClient, group: string) {
  const all = [];
  for (let after = 0;;) {
    const body = new MessageWriter().int(1, 1).int(2, after).int(4, 200).done();
    const page = (await client.ok("chat.history", body, group)).messages(1).map(readMessage);
    all.push(...page);
    if (page.length === 0) return all;
    after = page.at(-1)!.seq;
  }
}
