import type { RequestKey } from "../protocol/route.ts";

/** A new group. Names were checked (protocol/names.ts), texts were measured (protocol/limits.ts). */
export interface CreateGroup {
  readonly app: string;
  /** Becomes a member, whether `members` names it or not. */
  readonly owner: string;
  readonly name: string;
  readonly avatar: string;
  readonly introduction: string;
  /** May be empty and may repeat names; at most 5,000 of them, else INVALID_BODY. */
  readonly members: readonly string[];
  /** Inner-hop key, as for an append: asked again, the answer is the first one. */
  readonly key?: RequestKey | undefined;
  /** As for an append. */
  readonly startBy: number;
  /** As for an append. */
  readonly again?: boolean | undefined;
}

/** Who changes whose membership. */
export interface ChangeMembers {
  readonly app: string;
  readonly group: string;
  /** Whose membership changes; at most 5,000 names, else INVALID_BODY; repetitions change nothing more. */
  readonly accounts: readonly string[];
  /** Who asks; undefined: the system itself (admin call, RPC), which may everything. */
  readonly by: string | undefined;
  /** Inner-hop key, as for an append: asked again, nothing changes any more, whatever happened since. */
  readonly key?: RequestKey | undefined;
  /** As for an append. */
  readonly startBy: number;
  /** As for an append. */
  readonly again?: boolean | undefined;
}

/** What a change of members did. */
export interface MembersChanged {
  /**
   * The accounts whose membership really changed: none when they joined or left before, which is no error, and none when
   * the request comes again.
   */
  readonly changed: readonly string[];
  /** They see messages above this seq (joined), or up to it (left). */
  readonly seq: number;
  readonly large: boolean;
  /** The group became large by this change, also when it is asked again: its members are reached as a room. */
  readonly becameLarge: boolean;
}

/** A group as its members see it. */
export interface Group {
  /** Base-36 snowflake. */
  readonly id: string;
  readonly name: string;
  readonly avatar: string;
  readonly introduction: string;
  /** "" after the owner left. */
  readonly owner: string;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly memberCount: number;
  /** The seq of its last message, 0 for none. */
  readonly head: number;
  /** Messages with a higher seq have no inbox rows; undefined: the group is not large. */
  readonly largeFrom: number | undefined;
}

export interface Member {
  readonly account: string;
  /** Unix seconds. */
  readonly joinTime: number;
}

export interface MemberPage {
  /** In the order they joined. */
  readonly members: readonly Member[];
  /** Where the next page starts; undefined: there is none. Opaque. */
  readonly next: string | undefined;
}

/** A large group of an account. */
export interface Room {
  readonly group: string;
  /** The account sees messages above this seq. */
  readonly joinedSeq: number;
  /** The seq of its last message. */
  readonly head: number;
}

/** What `makeRows` did for one account. */
export interface MadeRows {
  /** The inbox's head now. */
  readonly head: number;
  /** The rows made by this call, in the order of their positions. */
  readonly rows: readonly { readonly group: string; readonly seq: number; readonly pos: number }[];
}

/**
 * Groups and who is in them. A group is *large* once it had more than the configured number of members, from a recorded
 * seq on, and stays so: its messages get no inbox rows; our clients read them by seq, and rows for old clients are made
 * by `makeRows`. Changes and appends of one store happen in the order of their calls, each in one transaction: a
 * message goes to exactly those who were members in that order. Rejects with an ImError: INVALID_BODY (unknown group, or
 * an id that is none), UNAUTHORIZED (see `join`, `quit`), BUSY, SYSTEM, CLOSED.
 */
export interface GroupStore {
  /** The id of the new group, and its members (owner first, no name twice). */
  createGroup(request: CreateGroup): Promise<{ readonly id: string; readonly members: readonly string[] }>;
  /** A member may add anyone, anybody may add themselves. */
  join(request: ChangeMembers): Promise<MembersChanged>;
  /** The owner may remove anyone, anybody may leave (the owner too: the group then has none). */
  quit(request: ChangeMembers): Promise<MembersChanged>;
  /** undefined: unknown, of another app, or no group id at all. */
  group(app: string, id: string): Promise<Group | undefined>;
  isMember(app: string, id: string, account: string): Promise<boolean>;
  /** @param from `next` of the page before; undefined for the first. A `from` that is none: INVALID_BODY. */
  members(app: string, id: string, from: string | undefined, limit: number): Promise<MemberPage>;
  /** The large groups an account is in now; it sees messages above `joinedSeq` of its last joining. */
  rooms(app: string, account: string): Promise<readonly Room[]>;
  /**
   * Gives each account inbox rows for the messages of its large groups that have none yet and that it may see, in the order
   * the messages were stored, all accounts in one transaction, also for what was sent while an account was in that has left
   * since: at most `most` rows an account; messages sent before `since` (Unix
   * nanoseconds) are passed over for good. One result per account, in that order.
   */
  makeRows(app: string, accounts: readonly string[], since: bigint, most: number): Promise<readonly MadeRows[]>;
}
