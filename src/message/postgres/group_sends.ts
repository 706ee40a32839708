import { ImError } from "../../base/errors.ts";
import { fromBase36 } from "../../protocol/base36.ts";
import type { AppendRequest } from "../message_store.ts";
import { ints, texts } from "./arrays.ts";
import type { Tx } from "./database.ts";
import { KIND } from "./names.ts";

interface Locked {
  large: boolean;
  /** Everybody in it now; of a large group only those of the transaction's senders who are. */
  readonly members: string[];
  readonly isMember: Set<string>;
}

/** The groups that a transaction writes to, locked: nobody joins or leaves while it runs. */
export class GroupSends {
  readonly #groups = new Map<string, Locked>();

  static async lock(tx: Tx, batch: readonly AppendRequest[]): Promise<GroupSends> {
    const sends = new GroupSends();
    const wanted = new Map(
      batch.filter((one) => one.group && fromBase36(one.dest) !== undefined).map((
        one,
      ) => [`${one.app}/${one.dest}`, one]),
    );
    if (wanted.size === 0) return sends;
    const names = [...wanted.values()];
    const logs = await tx<{ id: number; app: string; name: string }[]>`
      SELECT l.id, l.app, l.name
      FROM unnest(${texts(names.map((one) => one.app))}::text[], ${texts(names.map((one) => one.dest))}::text[])
        AS q (app, name)
      JOIN logs l ON l.app = q.app AND l.kind = ${KIND.group} AND l.name = q.name
      ORDER BY l.app, l.name FOR UPDATE OF l`;
    if (logs.length === 0) return sends;
    const byId = new Map<number, Locked>();
    for (const { id, app, name } of logs) {
      const group: Locked = { large: false, members: [], isMember: new Set() };
      sends.#groups.set(`${app}/${name}`, group);
      byId.set(id, group);
    }
    // A statement of its own: it sees what whoever held the locks has changed, the size of the group too.
    const senders = [...new Set(batch.filter((one) => one.group).map((one) => one.sender))];
    const members = await tx<{ grp: number; large: boolean; name: string | null }[]>`
      SELECT g.id AS grp, g.large_from IS NOT NULL AS large, l.name
      FROM groups g LEFT JOIN (group_members m JOIN logs l ON l.id = m.account) ON m.grp = g.id AND m.left_seq IS NULL
        AND (g.large_from IS NULL OR l.name = ANY(${texts(senders)}::text[]))
      WHERE g.id = ANY(${ints([...byId.keys()])}::int4[]) ORDER BY m.place`;
    for (const { grp, large, name } of members) {
      const group = byId.get(grp)!;
      group.large = large;
      if (name === null) continue;
      group.members.push(name);
      group.isMember.add(name);
    }
    return sends;
  }

  /** Why that message may not be stored. */
  refusal({ app, dest, sender }: AppendRequest): ImError | undefined {
    const group = this.#groups.get(`${app}/${dest}`);
    if (!group) return new ImError("INVALID_BODY", "Cannot store message: there is no such group");
    if (group.isMember.has(sender)) return undefined;
    return new ImError("UNAUTHORIZED", "Cannot store message: only members may write to a group");
  }

  /** Whose inboxes get a row; undefined: the group is large. */
  members({ app, dest }: AppendRequest): readonly string[] | undefined {
    const group = this.#groups.get(`${app}/${dest}`);
    return group?.large ? undefined : group?.members;
  }
}
