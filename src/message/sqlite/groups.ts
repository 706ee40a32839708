import type { DatabaseSync, StatementSync } from "node:sqlite";
import { ImError } from "../../base/errors.ts";
import { toBase36 } from "../../protocol/base36.ts";
import type { MembersChanged } from "../group_store.ts";
import { headOf, type Log, type Logs } from "./logs.ts";
import type { ChangeOp, CreateOp } from "./ops.ts";
import { int, type Row } from "./rows.ts";
import { KIND } from "./schema.ts";

/** A group as the writer needs it. */
export interface KnownGroup {
  /** Its conversation. */
  log: Log;
  /** Log of an account; undefined: the owner left. */
  owner: number | undefined;
  count: number;
  /** Messages above this seq have no rows in inboxes. */
  largeFrom: number | undefined;
  /** Not large: all members, in the order they joined. */
  members: Map<number, Log>;
  /** Their names in that order; made when a message is answered, another array after each change. */
  names: readonly string[] | undefined;
  /** Large: accounts that were found to be members. */
  readonly seen: Set<number>;
}

export interface GroupsOptions {
  /** A group with more members is large. */
  readonly inboxGroup: number;
  /** Members remembered in all (a pointer each). */
  readonly most: number;
  /** The next snowflake. */
  readonly nextId: () => bigint;
}

/**
 * Groups of the writer: what a send needs is in memory, every change is written at once, inside the present transaction.
 * Remembers groups until they have `most` members together; those not used for longest are forgotten, half at once.
 */
export class Groups {
  readonly #logs: Logs;
  readonly #options: GroupsOptions;
  #fresh = new Map<number, KnownGroup>();
  #stale = new Map<number, KnownGroup>();
  #weight = 0;
  readonly #selectGroup: StatementSync;
  readonly #selectMembers: StatementSync;
  readonly #selectMember: StatementSync;
  readonly #selectWindow: StatementSync;
  readonly #insertGroup: StatementSync;
  readonly #updateGroup: StatementSync;
  readonly #insertMember: StatementSync;
  readonly #reopen: StatementSync;
  readonly #leave: StatementSync;
  readonly #listConversation: StatementSync;

  constructor(db: DatabaseSync, logs: Logs, options: GroupsOptions) {
    this.#logs = logs;
    this.#options = options;
    this.#selectGroup = db.prepare("SELECT owner, members, large_from FROM groups WHERE id = ?");
    this.#selectMembers = db.prepare(
      "SELECT account FROM group_members WHERE grp = ? AND left_seq IS NULL ORDER BY joined",
    );
    this.#selectMember = db.prepare(
      "SELECT 1 FROM group_members WHERE grp = ? AND account = ? AND left_seq IS NULL",
    );
    this.#selectWindow = db.prepare(
      `SELECT joined_seq, left_seq FROM group_members WHERE grp = ? AND account = ?
       ORDER BY joined_seq DESC LIMIT 1`,
    );
    this.#insertGroup = db.prepare(
      `INSERT INTO groups (id, name, avatar, introduction, owner, members, key_scope, key_n)
       VALUES (?, ?, ?, ?, ?, 0, ?, ?)`,
    );
    this.#updateGroup = db.prepare("UPDATE groups SET owner = ?, members = ?, large_from = ? WHERE id = ?");
    this.#insertMember = db.prepare(
      "INSERT INTO group_members (grp, account, joined_seq, joined, filled) VALUES (?1, ?2, ?3, ?4, ?3)",
    );
    this.#reopen = db.prepare(
      "UPDATE group_members SET left_seq = NULL, joined = ? WHERE grp = ? AND account = ? AND joined_seq = ?",
    );
    this.#leave = db.prepare(
      "UPDATE group_members SET left_seq = ? WHERE grp = ? AND account = ? AND left_seq IS NULL",
    );
    this.#listConversation = db.prepare(
      `INSERT INTO conversations (account, conversation, since, read) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET since = excluded.since, read = max(read, excluded.read)`,
    );
  }

  /** undefined: unknown, of another app, or no group id at all. hot: per group message */
  find(app: string, id: string): KnownGroup | undefined {
    const log = this.#logs.find(app, KIND.group, id);
    if (!log) return undefined;
    const known = this.#fresh.get(log.id) ?? this.#remember(this.#stale.get(log.id) ?? this.#read(log));
    known.log = log;
    return known;
  }

  /** hot: per group message */
  has(group: KnownGroup, account: number): boolean {
    if (group.largeFrom === undefined) return group.members.has(account);
    if (group.seen.has(account)) return true;
    if (this.#selectMember.get(group.log.id, account) === undefined) return false;
    if (group.seen.size >= this.#options.most / 2) group.seen.clear();
    group.seen.add(account);
    this.#weight++;
    return true;
  }

  /** A member of a small group as it is now, not as it was when the group was read. hot: per member of a message */
  fresh(group: KnownGroup, member: Log): Log {
    if (!member.forgotten) return member;
    const log = this.#logs.get(member.id);
    group.members.set(log.id, log);
    return log;
  }

  /** @param begin is called before anything is written. */
  create(op: CreateOp, begin: () => void): { id: string; members: string[] } {
    const { app, owner, name, avatar, introduction, members, key } = op;
    begin();
    const id = this.#options.nextId();
    const log = this.#logs.obtain(app, KIND.group, toBase36(id), id);
    const ownerLog = this.#logs.obtain(app, KIND.account, owner, id).id;
    this.#insertGroup.run(log.id, name, avatar, introduction, ownerLog, key ? key.scope : null, key ? key.n : null);
    const group = this.#remember(this.#read(log));
    return { id: log.name, members: this.#add(group, app, [...new Set([owner, ...members])], begin) };
  }

  /** The answer to a change that was asked for before: nobody's membership changes any more. */
  changedBefore({ app, group: id }: ChangeOp, becameLarge: boolean): MembersChanged | ImError {
    const group = this.find(app, id);
    if (!group) return unknownGroup();
    const { largeFrom } = group, large = largeFrom !== undefined;
    return { changed: [], seq: becameLarge && large ? largeFrom : headOf(group.log), large, becameLarge };
  }

  /** @param begin is called before something is written. */
  change(op: ChangeOp, begin: () => void): MembersChanged | ImError {
    const group = this.find(op.app, op.group);
    if (!group) return unknownGroup();
    const accounts = [...new Set(op.accounts)];
    const refusal = this.#refuse(op, group, accounts);
    if (refusal) return refusal;
    const wasLarge = group.largeFrom !== undefined;
    const changed = op.do === "join"
      ? this.#add(group, op.app, accounts, begin)
      : this.#remove(group, op.app, accounts, begin);
    const large = group.largeFrom !== undefined;
    return { changed, seq: headOf(group.log), large, becameLarge: large && !wasLarge };
  }

  /** After a failed commit memory may be ahead of the database. */
  forgetAll(): void {
    this.#fresh = new Map();
    this.#stale = new Map();
    this.#weight = 0;
  }

  #refuse(op: ChangeOp, group: KnownGroup, accounts: readonly string[]): ImError | undefined {
    if (op.by === undefined || (accounts.length === 1 && accounts[0] === op.by)) return undefined;
    const by = this.#logs.find(op.app, KIND.account, op.by);
    const may = by && (op.do === "join" ? this.has(group, by.id) : group.owner === by.id);
    if (may) return undefined;
    return op.do === "join"
      ? new ImError("UNAUTHORIZED", "Cannot add to group: only a member may add others")
      : new ImError("UNAUTHORIZED", "Cannot remove from group: only its owner may remove others");
  }

  #add(group: KnownGroup, app: string, accounts: readonly string[], begin: () => void): string[] {
    const changed = accounts.filter((name) => !this.#hasName(group, app, name));
    if (changed.length === 0) return changed;
    begin();
    const head = headOf(group.log);
    for (const name of changed) {
      const id = this.#options.nextId();
      this.#enter(group, this.#logs.obtain(app, KIND.account, name, id), head, id);
    }
    group.count += changed.length;
    group.names = undefined;
    if (group.largeFrom === undefined && group.count > this.#options.inboxGroup) {
      group.largeFrom = head;
      group.members = new Map();
    }
    this.#save(group);
    return changed;
  }

  #enter(group: KnownGroup, account: Log, head: number, id: bigint): void {
    const { log } = group;
    const last = this.#selectWindow.get(log.id, account.id);
    if (last && int(last, "left_seq") === head) this.#reopen.run(id, log.id, account.id, int(last, "joined_seq"));
    else this.#insertMember.run(log.id, account.id, head, id);
    this.#listConversation.run(account.id, log.id, id, head);
    if (group.largeFrom === undefined) group.members.set(account.id, account);
    else group.seen.add(account.id);
    this.#weight++;
  }

  #remove(group: KnownGroup, app: string, accounts: readonly string[], begin: () => void): string[] {
    const changed = accounts.filter((name) => this.#hasName(group, app, name));
    if (changed.length === 0) return changed;
    begin();
    for (const name of changed) {
      const { id } = this.#logs.obtain(app, KIND.account, name, 0n);
      this.#leave.run(headOf(group.log), group.log.id, id);
      group.members.delete(id);
      group.seen.delete(id);
      if (group.owner === id) group.owner = undefined;
    }
    group.count -= changed.length;
    group.names = undefined;
    this.#save(group);
    return changed;
  }

  #hasName(group: KnownGroup, app: string, name: string): boolean {
    const account = this.#logs.find(app, KIND.account, name);
    return account !== undefined && this.has(group, account.id);
  }

  #save({ log, owner, count, largeFrom }: KnownGroup): void {
    this.#updateGroup.run(owner ?? null, count, largeFrom ?? null, log.id);
  }

  #read(log: Log): KnownGroup {
    const row: Row | undefined = this.#selectGroup.get(log.id);
    if (!row) throw new Error(`Cannot read group: log ${log.id} has no row in groups`);
    const largeFrom = row["large_from"] === null ? undefined : int(row, "large_from");
    const members = new Map<number, Log>();
    if (largeFrom === undefined) {
      for (const one of this.#selectMembers.all(log.id)) {
        const member = this.#logs.get(int(one, "account"));
        members.set(member.id, member);
      }
    }
    const owner = row["owner"] === null ? undefined : int(row, "owner");
    return { log, owner, count: int(row, "members"), largeFrom, members, names: undefined, seen: new Set() };
  }

  #remember(group: KnownGroup): KnownGroup {
    if (this.#weight > this.#options.most / 2) {
      this.#stale = this.#fresh;
      this.#fresh = new Map();
      this.#weight = 0;
    }
    this.#weight += 1 + group.members.size + group.seen.size;
    this.#fresh.set(group.log.id, group);
    return group;
  }
}

/** The answer about a group that is not there. */
export function unknownGroup(): ImError {
  return new ImError("INVALID_BODY", "Cannot find group: there is none with this id");
}
