import {
  type Conversation as ServerLine,
  type GroupChange,
  ImError,
  type PetrelClient,
  type ReadChange,
} from "../sdk/mod.ts";
import type { Book, Line } from "./book.ts";
import { type ConversationKey, conversationOf, keyOf } from "./conversation.ts";
import { type Entry, entryOfMessage, entryOfNotice } from "./entry.ts";
import type { GroupFacts } from "./group_facts.ts";

/** Conversations that are listed at most: a page for trying things out. */
const MOST = 1_000;

export interface DirectoryPort {
  readonly account: string;
  readonly book: Book;
  client(): PetrelClient | undefined;
  /** To be archived. */
  read(key: ConversationKey, seq: number): void;
  group(facts: GroupFacts): void;
  notice(entry: Entry): void;
  changed(): void;
}

/**
 * The account's conversations and groups as the server has them: fetched after every absence, kept right by what is told
 * meanwhile, and the other way round: the server learns what was read here.
 */
export class Directory {
  readonly #port: DirectoryPort;
  readonly #groups = new Map<ConversationKey, GroupFacts>();
  /** What was read here and the server may not know yet. */
  readonly #toTell = new Map<ConversationKey, number>();
  readonly #telling = new Set<ConversationKey>();
  /** Groups that changed while a list is on its way: what it says of them may be old. */
  readonly #changedSince = new Set<ConversationKey>();
  #wanted: "all" | "newest" | undefined;
  #fetching = false;
  /** The list was fetched once. */
  listed = false;

  constructor(port: DirectoryPort) {
    this.#port = port;
  }

  group(key: ConversationKey): GroupFacts | undefined {
    return this.#groups.get(key);
  }

  /** A group that this account is not in, or no longer. */
  outOf(key: ConversationKey): boolean {
    return isGroup(key) && this.#groups.get(key)?.member === false;
  }

  /** "" for a group that is not known yet. */
  nameOf(key: ConversationKey): string {
    const { kind, id } = conversationOf(key);
    return kind === "user" ? id : this.#groups.get(key)?.name ?? "";
  }

  /** What the archive remembers. */
  restore(groups: readonly GroupFacts[]): void {
    for (const facts of groups) if (!this.#groups.has(facts.key)) this.#groups.set(facts.key, facts);
  }

  /** Fetches the list; `all`: every page of it, else what was active last. Never rejects. */
  async refresh(all: boolean): Promise<void> {
    this.#wanted = all || this.#wanted === "all" ? "all" : "newest";
    if (this.#fetching) return;
    this.#fetching = true;
    while (this.#wanted) {
      const wanted = this.#wanted;
      this.#wanted = undefined;
      await this.#fetch(wanted === "all").catch(() => {}); // offline for long: the next connection asks again
    }
    this.#fetching = false;
  }

  async #fetch(all: boolean): Promise<void> {
    const client = this.#connected();
    const groups = new Set([...this.#groups.keys(), ...this.#port.book.keys().filter(isGroup)]);
    this.#changedSince.clear();
    const lines: ServerLine[] = [];
    let from = "";
    do {
      const page = await client.conversations.list({ from });
      lines.push(...page.conversations);
      from = page.next;
    } while (all && from !== "" && lines.length < MOST);
    let activeMs = Date.now();
    for (const line of lines) {
      if (line.last) activeMs = Number(line.last.sendTime / 1_000_000n);
      this.#listed(line, activeMs);
    }
    const listed = new Set(lines.map(keyOfLine));
    for (const key of groups) {
      if (from !== "" || listed.has(key) || this.#changedSince.has(key)) continue;
      this.#learn({ name: "", memberCount: 0, ...this.#groups.get(key), key, member: false });
    }
    this.listed = true;
    this.#port.changed();
  }

  /** Everything up to this number was seen here. */
  async tellRead(key: ConversationKey, seq: number): Promise<void> {
    this.#toTell.set(key, Math.max(seq, this.#toTell.get(key) ?? 0));
    if (this.#telling.has(key)) return;
    this.#telling.add(key);
    const { id } = conversationOf(key);
    try {
      for (let told = 0, next = seq; next > told; next = this.#toTell.get(key) ?? 0) {
        told = next;
        await this.#connected().conversations.read(id, told, { group: isGroup(key) });
      }
    } catch {
      // Told after the next list, which says what the server knows.
    } finally {
      this.#telling.delete(key);
    }
  }

  /** Another device read it. */
  readElsewhere({ peer: id, group, seq }: ReadChange): void {
    const { book, read, changed } = this.#port;
    const key = keyOf({ kind: group ? "group" : "user", id });
    if (!book.read(key, seq)) return;
    read(key, seq);
    changed();
  }

  /** Somebody came or went. */
  groupChanged({ change, group: id, accounts }: GroupChange): void {
    const { account, book, notice, changed } = this.#port;
    const key = keyOf({ kind: "group", id });
    this.#changedSince.add(key);
    const facts = this.#groups.get(key);
    if (!facts && change === "left") return;
    const me = accounts.includes(account);
    if (change === "created" || me && change === "joined" || !facts && change !== "left") void this.refresh(false);
    else if (facts) {
      // Of a large group one is not told of the others: the panel asks.
      const memberCount = Math.max(0, facts.memberCount + (change === "joined" ? accounts.length : -accounts.length));
      this.#learn({ ...facts, memberCount, member: facts.member && !(me && change === "left") });
    }
    if (change === "created") return changed();
    const last = book.entries(key).at(-1);
    const after = { seq: book.lastSeq(key), timeMs: last?.timeMs ?? Date.now() };
    for (const one of accounts) notice(entryOfNotice(key, one, change, after));
    changed();
  }

  /** A message of a group that is not known: the list tells. */
  met(key: ConversationKey): void {
    if (isGroup(key) && !this.#groups.get(key)?.member) void this.refresh(false);
  }

  /** @throws {ImError} as `client.groups.create` */
  async create(name: string, members: readonly string[]): Promise<ConversationKey> {
    const id = await this.#connected().groups.create({ name, members });
    const key = keyOf({ kind: "group", id });
    this.#learn({ key, name, memberCount: new Set([...members, this.#port.account]).size, member: true });
    this.#port.book.open(key, Date.now());
    void this.refresh(false);
    return key;
  }

  /** Brings somebody in. @throws {ImError} as `client.groups.join` */
  async add(key: ConversationKey, account: string): Promise<void> {
    const { id } = conversationOf(key);
    await this.#connected().groups.join(id, account);
    this.groupChanged({ change: "joined", group: id, accounts: [account] });
  }

  /** Puts somebody out, or leaves. @throws {ImError} as `client.groups.leave` */
  async remove(key: ConversationKey, account: string): Promise<void> {
    const { id } = conversationOf(key);
    await this.#connected().groups.leave(id, account);
    this.groupChanged({ change: "left", group: id, accounts: [account] });
  }

  /** How the members panel begins: the owner ("" for none), and all members as one asks for them. */
  async members(key: ConversationKey): Promise<{ owner: string; members: AsyncGenerator<{ account: string }> }> {
    const { id } = conversationOf(key);
    const { groups } = this.#connected();
    const { owner, name, memberCount } = await groups.get(id);
    this.#learn({ key, name, memberCount, member: true });
    this.#port.changed();
    return { owner, members: groups.members(id) };
  }

  #listed(line: ServerLine, activeMs: number): void {
    const { book, read } = this.#port;
    const key = keyOfLine(line);
    const { head, unread, last, name, memberCount, group } = line;
    const told: Line = { head, read: line.read, unread, last: last && entryOfMessage(last), activeMs };
    book.told(key, told);
    const readSeq = book.readSeq(key);
    if (readSeq > line.read) void this.tellRead(key, readSeq);
    else if (readSeq > 0) read(key, readSeq);
    if (group && !this.#changedSince.has(key)) this.#learn({ key, name, memberCount, member: true });
  }

  #learn(facts: GroupFacts): void {
    const old = this.#groups.get(facts.key);
    if (old?.name === facts.name && old.memberCount === facts.memberCount && old.member === facts.member) return;
    this.#groups.set(facts.key, facts);
    this.#port.group(facts);
  }

  #connected(): PetrelClient {
    const client = this.#port.client();
    if (!client) throw new ImError("CLOSED", "Cannot reach the server: not signed in");
    return client;
  }
}

function isGroup(key: ConversationKey): boolean {
  return conversationOf(key).kind === "group";
}

function keyOfLine({ peer: id, group }: ServerLine): ConversationKey {
  return keyOf({ kind: group ? "group" : "user", id });
}
