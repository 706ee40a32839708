import * as pkt from "../protocol/gen/pkt_messages.ts";
import type { Asker } from "./asker.ts";
import { GROUP_CREATE, GROUP_DETAIL, GROUP_JOIN, GROUP_MEMBERS, GROUP_QUIT } from "./commands.ts";

/** What a group is made with. Up to 50 characters of name, 200 of avatar, 300 of introduction. */
export interface NewGroup {
  readonly name: string;
  /** Accounts that are members from the beginning; whoever makes the group is one anyway. */
  readonly members?: readonly string[];
  /** Say, the address of a picture. */
  readonly avatar?: string;
  readonly introduction?: string;
}

/** Somebody in a group. */
export interface GroupMember {
  readonly account: string;
  /** Milliseconds since 1970, to the second. */
  readonly joinedMs: number;
}

/** A group as its members see it. */
export interface Group {
  readonly id: string;
  readonly name: string;
  readonly avatar: string;
  readonly introduction: string;
  /** "" when the owner has left. */
  readonly owner: string;
  /** Milliseconds since 1970, to the second. */
  readonly createdMs: number;
  readonly memberCount: number;
  /** The first 500, in the order they joined; `members` gives all. */
  readonly members: readonly GroupMember[];
  /** Seq of its last message, 0 for none. */
  readonly head: number;
  /** So large that its messages do not pass through its members' inboxes (`Message.pos` is 0). */
  readonly large: boolean;
}

/** Somebody made a group with us in it, joined one of ours, or left it (or was removed). */
export interface GroupChange {
  readonly change: "created" | "joined" | "left";
  readonly group: string;
  /** Created: all members. Of a large group we are only told of ourselves. */
  readonly accounts: readonly string[];
}

/**
 * Groups: `client.groups`. To say something in one: `client.talk(id, "hello", { group: true })`; what others say there
 * comes to `onMessage` with `group: true` and the id as `peer`.
 *
 * Every method waits while offline (30 s at most, then TIMEOUT) and is repeated when the connection breaks or the server is
 * busy; only `create` is not once it is on its way. Rejects with an ImError: INVALID_BODY (no such group, a name that is
 * none, texts too long, too many members), UNAUTHORIZED (only members may), BUSY, SYSTEM, CLOSED, TIMEOUT, QUOTA.
 */
export class Groups {
  readonly #asker: Asker;
  readonly #me: () => string;

  constructor(asker: Asker, me: () => string) {
    this.#asker = asker;
    this.#me = me;
  }

  /**
   * Makes a group, with us as owner and member; gives its id.
   *
   * ```ts
   * const id = await client.groups.create({ name: "Lunch", members: ["bob", "eve"] });
   * ```
   *
   * CLOSED when the connection was lost before the answer came: then nobody knows whether there is a group now, and it is
   * not made a second time; `conversations.list` tells, once online again.
   */
  create({ name, members = [], avatar = "", introduction = "" }: NewGroup): Promise<string> {
    return this.#asker.ask({
      what: "create group",
      command: GROUP_CREATE,
      body: (codec) => codec.encode(pkt.GroupCreateReq, { name, members: [...members], avatar, introduction }),
      answer: (codec, body) => codec.decode(pkt.GroupCreateResp, body).groupId,
      once: true,
    });
  }

  /** Joins, or as a member brings somebody else in. Joining twice is fine. */
  join(group: string, account?: string): Promise<void> {
    return this.#asker.ask({
      what: "join group",
      command: GROUP_JOIN,
      body: (codec) => codec.encode(pkt.GroupJoinReq, { account: account ?? this.#me(), groupId: group }),
      answer: () => {},
    });
  }

  /** Leaves, or as the owner puts somebody out. Leaving twice is fine. */
  leave(group: string, account?: string): Promise<void> {
    return this.#asker.ask({
      what: "leave group",
      command: GROUP_QUIT,
      body: (codec) => codec.encode(pkt.GroupQuitReq, { account: account ?? this.#me(), groupId: group }),
      answer: () => {},
    });
  }

  /** What a group is called, who is in it, and so on. For members only. */
  get(group: string): Promise<Group> {
    return this.#asker.ask({
      what: "read group",
      command: GROUP_DETAIL,
      body: (codec) => codec.encode(pkt.GroupGetReq, { groupId: group }),
      answer: (codec, body) => {
        const { members, createdAt, memberCount, ...rest } = codec.decode(pkt.GroupGetResp, body);
        const count = memberCount || members.length; // KIM's servers do not count
        return { ...rest, memberCount: count, createdMs: Number(createdAt) * 1_000, members: members.map(memberOf) };
      },
    });
  }

  /**
   * All members, in the order they joined, fetched 500 at a time as they are asked for:
   *
   * ```ts
   * for await (const { account } of client.groups.members("1a2b3c")) console.log(account);
   * ```
   */
  async *members(group: string): AsyncGenerator<GroupMember, void, void> {
    let from = "";
    do {
      const page = await this.#asker.ask({
        what: "read members",
        command: GROUP_MEMBERS,
        body: (codec) => codec.encode(pkt.GroupMembersReq, { groupId: group, from }),
        answer: (codec, body) => codec.decode(pkt.GroupMembersResp, body),
      });
      yield* page.members.map(memberOf);
      from = page.next;
    } while (from !== "");
  }
}

function memberOf({ account, joinTime }: pkt.Member): GroupMember {
  return { account, joinedMs: Number(joinTime) * 1_000 };
}
