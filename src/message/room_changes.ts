import type { ChangeMembers, MembersChanged } from "./group_store.ts";

/** Accounts that entered or left a large group by the system's hand. */
export interface RoomChanged {
  readonly app: string;
  readonly group: string;
  readonly accounts: readonly string[];
  readonly joined: boolean;
  /** As in `MembersChanged`. */
  readonly seq: number;
  readonly becameLarge: boolean;
}

/** What happened since somebody asked last. */
export interface RoomChangesPage {
  /** To be handed in the next time. */
  readonly next: string;
  /** Some are not known any more. */
  readonly missed: boolean;
  /** Oldest first. */
  readonly list: readonly RoomChanged[];
}

/** Accounts told in one answer, about; names kept in all. */
const PAGE_NAMES = 20_000;
const MOST_NAMES = 200_000;

/**
 * Changes of large groups that no chat server made: an admin's, or a KIM chat server's. Our chat servers ask for them, so
 * that members who are online are reached at once. The newest are kept, in memory: whoever misses some learns of its
 * rooms at its next login.
 */
export class RoomChanges {
  /** Names this list: another process has another. */
  readonly #name: string;
  #list: RoomChanged[] = [];
  /** Number of the first in the list. */
  #first = 0;
  #names = 0;

  /** @param name without a slash; no two lists share one. */
  constructor(name: string) {
    this.#name = name;
  }

  add(change: RoomChanged): void {
    this.#list.push(change);
    this.#names += change.accounts.length;
    while (this.#names > MOST_NAMES && this.#list.length > 1) {
      this.#names -= this.#list.shift()!.accounts.length;
      this.#first++;
    }
  }

  /** @param after `next` of the page before; "" for none yet: then nothing is told but where to go on. */
  since(after: string): RoomChangesPage {
    const end = this.#first + this.#list.length;
    const [name, number] = after.split("/");
    const from = Number(number);
    if (after === "") return { next: `${this.#name}/${end}`, missed: false, list: [] };
    if (name !== this.#name || !(from >= this.#first && from <= end)) {
      return { next: `${this.#name}/${end}`, missed: true, list: [] };
    }
    let at = from - this.#first;
    const list: RoomChanged[] = [];
    for (let names = 0; at < this.#list.length && names < PAGE_NAMES; at++) {
      list.push(this.#list[at]!);
      names += this.#list[at]!.accounts.length;
    }
    return { next: `${this.#name}/${this.#first + at}`, missed: false, list };
  }

  /** Notes what a change of members did, when the system itself asked for it. */
  note({ app, group, by }: ChangeMembers, joined: boolean, made: MembersChanged): void {
    const { changed: accounts, seq, large, becameLarge } = made;
    if (by !== undefined || !large || accounts.length === 0) return;
    this.add({ app, group, accounts, joined, seq, becameLarge });
  }
}
