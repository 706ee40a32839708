import { makeGroup } from "../group_maker.ts";
import { pool, wait } from "../pool.ts";
import { Random } from "../random.ts";
import { WireClient } from "../wire_client.ts";
import type { CrowdMember, Destination, Watcher } from "./crowd_member.ts";
import type { FaultSystem } from "./fault_system.ts";
import { OldMember } from "./old_member.ts";
import { OurMember } from "./our_member.ts";

export interface CrowdOptions {
  /** Online, half of them old. */
  readonly clients: number;
  /** Members of the large group, most of them away. */
  readonly largeGroup: number;
  readonly seed: number;
  /** Accounts begin with it. */
  readonly prefix: string;
  /** Each client knows one address only, behind which processes may change. */
  readonly oneAddress: boolean;
}

interface Group {
  readonly id: string;
  readonly members: readonly string[];
  readonly apart: boolean;
}

/** Shares of the messages; the rest is one-to-one. */
const TO_TRIO = 0.06, TO_FIFTY = 0.03, TO_LARGE = 0.01;
const FIFTY = 50;

/** Clients on all gateways, one-to-one and in groups of 3, 50 and 600. */
export class Crowd {
  readonly members: readonly CrowdMember[];
  /** Members of the large group that are away. */
  readonly away: readonly string[];
  readonly #options: CrowdOptions;
  readonly #system: FaultSystem;
  readonly #random: Random;
  readonly #trios: Group[] = [];
  readonly #fifties: Group[] = [];
  #large: Group | undefined;
  #said = 0;

  constructor(options: CrowdOptions, system: FaultSystem, watcher: Watcher) {
    const { clients, prefix, seed, largeGroup, oneAddress } = options;
    const known = (urls: readonly string[], first: number) => rotated(urls, first).slice(0, oneAddress ? 1 : Infinity);
    this.#options = options;
    this.#system = system;
    this.#random = new Random(seed);
    this.members = Array.from({ length: clients }, (_, i) => {
      const account = `${prefix}-${i}`;
      if (i % 2 === 1) {
        const urls = known(system.urls.filter((url) => /^wss?:/.test(url)), i >> 1);
        const asks = oneAddress ? undefined : system.lookup;
        const looked = () => asks?.(account).catch(() => urls) ?? Promise.resolve(urls);
        return new OurMember({ account, token: () => system.token(account), urls: looked, watcher });
      }
      const urls = known(system.urls, i >> 1);
      const random = new Random(seed * 7919 + i);
      return new OldMember({ account, token: system.token(account), urls, random, watcher });
    });
    this.away = Array.from({ length: Math.max(0, largeGroup - clients) }, (_, i) => `${prefix}-away-${i}`);
  }

  /** Logs everybody in and makes the groups. @throws {Error} that is not possible. */
  async start(): Promise<void> {
    await pool(this.members.length, 10, (i) => this.members[i]!.start());
    const names = this.members.map(({ account }) => account);
    const url = this.#system.straightUrls[0]!;
    const meta = new Map([["im.device", "maker"]]);
    await using owner = await WireClient.login(url, this.#system.token(names[0]!), { meta });
    const make = async (members: readonly string[], apart = false): Promise<Group> => {
      const others = members.filter((name) => name !== names[0]);
      return { id: await makeGroup(owner, [names[0]!, ...others]), members: [names[0]!, ...others], apart };
    };
    for (let i = 1; i + 1 < names.length && this.#trios.length < 10; i += 2) {
      this.#trios.push(await make([names[0]!, names[i]!, names[i + 1]!]));
    }
    for (let i = 0; i < 2; i++) {
      const some = names.filter((_, n) => n > 0 && (n >> 1) % 2 === i).slice(0, FIFTY - 1);
      const filling = Array.from(
        { length: FIFTY - 1 - some.length },
        (_, n) => `${this.#options.prefix}-off-${i}-${n}`,
      );
      this.#fifties.push(await make([...some, ...filling]));
    }
    if (this.away.length > 0) this.#large = await make([...names.slice(1), ...this.away], true);
  }

  /** Says `count` messages: anybody who can, to anybody. Gives how many found nobody who could. */
  talk(count: number): number {
    let heldBack = 0;
    for (let i = 0; i < count; i++) {
      let said = false;
      for (let tries = 0; tries < 3 && !said; tries++) {
        const member = this.#random.pick(this.members);
        said = member.talk(this.#destination(member), `${this.#options.prefix}.${this.#said + 1}`);
      }
      if (said) this.#said++;
      else heldBack++;
    }
    return heldBack;
  }

  /** Accounts that were ever sent something, and so have an inbox worth reading. */
  get groupsOf600(): readonly string[] {
    return this.#large?.members ?? [];
  }

  get online(): number {
    return this.members.reduce((sum, member) => sum + (member.online ? 1 : 0), 0);
  }

  get waiting(): number {
    return this.members.reduce((sum, member) => sum + member.waiting, 0);
  }

  /** Until everybody is online and every send has its answer, or the time is up: false. */
  async settled(timeoutMs: number): Promise<boolean> {
    const end = performance.now() + timeoutMs;
    const there = () => this.members.every((one) => one.closed !== "" || one.online && one.waiting === 0);
    while (!there()) {
      if (performance.now() > end) return false;
      await wait(20);
    }
    return true;
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.close()));
  }

  #destination(member: CrowdMember): Destination {
    const at = this.#random.next();
    const group = at < TO_LARGE
      ? this.#large
      : at < TO_LARGE + TO_FIFTY
      ? this.#one(this.#fifties, member)
      : at < TO_LARGE + TO_FIFTY + TO_TRIO
      ? this.#one(this.#trios, member)
      : undefined;
    if (group !== undefined) {
      const to = group.members.filter((name) => name !== member.account);
      return { dest: group.id, to, apart: group.apart };
    }
    for (;;) {
      const other = this.#random.pick(this.members);
      if (other !== member) return { dest: other.account };
    }
  }

  #one(groups: readonly Group[], member: CrowdMember): Group | undefined {
    const mine = groups.filter(({ members }) => members.includes(member.account));
    return mine.length === 0 ? undefined : this.#random.pick(mine);
  }
}

function rotated<T>(list: readonly T[], by: number): T[] {
  const at = by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}
