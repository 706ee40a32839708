import { decodeBody, encodeBody } from "../protocol/bodies.ts";
import { pkt } from "../protocol/gen/pkt.js";
import { type LogicPacket, NO_BODY } from "../protocol/packet.ts";
import { GROUP_CREATE, GROUP_DETAIL, GROUP_JOIN, GROUP_MEMBERS, GROUP_QUIT, HISTORY } from "./commands.ts";

/** A group of the fake server. */
export class FakeGroup {
  readonly id: string;
  readonly name: string;
  /** Seq at which each joined. */
  readonly members = new Map<string, number>();
  readonly messages: pkt.MessagePush[] = [];
  /** From now on messages have no inbox rows. */
  large = false;
  /** Up to which seq each account has inbox rows. */
  readonly filled = new Map<string, number>();

  constructor(id: string, name: string, members: readonly string[]) {
    this.id = id;
    this.name = name;
    for (const account of members) this.join(account);
  }

  join(account: string): void {
    if (!this.members.has(account)) this.members.set(account, this.messages.length);
  }
}

/** The fake server's groups, and what it answers about them. */
export class FakeGroups {
  readonly all = new Map<string, FakeGroup>();

  make(name: string, members: readonly string[]): FakeGroup {
    const group = new FakeGroup(`g${this.all.size + 1}`, name, members);
    this.all.set(group.id, group);
    return group;
  }

  /** What a login's answer says. */
  rooms(account: string): pkt.Room[] {
    const large = [...this.all.values()].filter((one) => one.large && one.members.has(account));
    return large.map(({ id, members, messages }) => {
      return { groupId: id, joinedSeq: members.get(account)!, head: messages.length };
    });
  }

  /** A status, or the answer's body; undefined: it is about something else. */
  answer({ header: { command, dest }, body }: LogicPacket, account: string): Uint8Array | 101 | 105 | undefined {
    switch (command) {
      case GROUP_CREATE: {
        const { name, members } = decodeBody(pkt.GroupCreateReq, body);
        return encodeBody(pkt.GroupCreateResp, { groupId: this.make(name, [account, ...members]).id });
      }
      case GROUP_JOIN: {
        const request = decodeBody(pkt.GroupJoinReq, body);
        const group = this.all.get(request.groupId);
        group?.join(request.account);
        return group ? NO_BODY : 101;
      }
      case GROUP_QUIT: {
        const request = decodeBody(pkt.GroupQuitReq, body);
        const group = this.all.get(request.groupId);
        group?.members.delete(request.account);
        return group ? NO_BODY : 101;
      }
      case GROUP_DETAIL:
        return this.#inside(
          decodeBody(pkt.GroupGetReq, body).groupId,
          account,
          ({ id, name, members, ...group }) =>
            encodeBody(pkt.GroupGetResp, {
              id,
              name,
              owner: [...members.keys()][0] ?? "",
              members: [...members.keys()].slice(0, 500).map(memberOf),
              createdAt: 1_700_000_000n,
              memberCount: members.size,
              head: group.messages.length,
              large: group.large,
            }),
        );
      case GROUP_MEMBERS: {
        const { groupId, from, limit } = decodeBody(pkt.GroupMembersReq, body);
        return this.#inside(groupId, account, ({ members }) => {
          const [start, end] = [Number(from), Number(from) + (limit || 500)];
          const page = [...members.keys()].slice(start, end).map(memberOf);
          const next = end < members.size ? String(end) : "";
          return encodeBody(pkt.GroupMembersResp, { members: page, next, memberCount: members.size });
        });
      }
      case HISTORY:
        return this.#inside(dest, account, (group) => this.#history(group, account, decodeBody(pkt.HistoryReq, body)));
      default:
        return undefined;
    }
  }

  #inside(id: string, account: string, answer: (group: FakeGroup) => Uint8Array): Uint8Array | 101 | 105 {
    const group = this.all.get(id);
    if (!group) return 101;
    return group.members.has(account) ? answer(group) : 105;
  }

  #history(group: FakeGroup, account: string, { after, before, limit }: pkt.HistoryReq): Uint8Array {
    const above = group.members.get(account)!;
    const seen = group.messages.filter((row) => row.seq > above && row.messageId !== 0n); // 0: was trimmed
    const most = limit || 200;
    const messages = before > 0
      ? seen.filter((row) => row.seq < before).slice(-most)
      : seen.filter((row) => row.seq > after).slice(0, most);
    const head = group.messages.length;
    return encodeBody(pkt.HistoryResp, { messages, first: seen[0]?.seq ?? head + 1, head });
  }
}

function memberOf(account: string): pkt.Member {
  return { account, alias: "", avatar: "", joinTime: 1_700_000_000n };
}
