import { ImError } from "../../base/errors.ts";
import type { AppendRequest } from "../message_store.ts";
import { ints, texts } from "./arrays.ts";
import type { Tx } from "./database.ts";
import { KIND } from "./names.ts";

interface Locked {
  readonly id: number;
  readonly large: boolean;
  /** Everybody in it now; of a large group only those of the transaction's senders who are. */
  readonly members: string[];
}

/** The groups that a transaction writes to, locked: nobody joins or leaves while it runs. */
export class GroupSends {
  readonly #groups = new Map<string, Locked>();

  static async lock(tx: Tx, batch: readonly AppendRequest[]): Promise<GroupSends> {
    const sends = new GroupSends();
    const wanted = new Map(batch.filter((one) => one.group).map((one) => [`${one.app}/${one.dest}`, one]));
    if (wanted.size === 0) return sends;
    const names = [...wanted.values()];
    const groups = await tx<{ id: number; app: string; name: string; large: boolean }[]>`
      SELECT l.id, l.app, l.name, g.large_from IS NOT NULL AS large
      FROM unnest(${texts(names.map((one) => one.app))}::text[], ${texts(names.map((one) => one.dest))}::text[])
        AS q (app, name)
      JOIN logs l ON l.app = q.app AND l.kind = ${KIND.group} AND l.name = q.name JOIN groups g ON g.id = l.id
      ORDER BY l.app, l.name FOR UPDATE OF l`;
    const byId = new Map<number, Locked>();
    for (const { id, app, name, large } of groups) {
      const group: Locked = { id, large, members: [] };
      sends.#groups.set(`${app}/${name}`, group);
      byId.set(id, group);
    }
    const senders = [...new Set(batch.filter((one) => one.group).map((one) => one.sender))];
    const members = await tx<{ grp: number; name: string }[]>`
      SELECT m.grp, l.name FROM group_members m JOIN logs l ON l.id = m.account JOIN groups g ON g.id = m.grp
      WHERE m.grp = ANY(${ints([...byId.keys()])}::int4[]) AND m.left_seq IS NULL
        AND (g.large_from IS NULL OR l.name = ANY(${texts(senders)}::text[]))
      ORDER BY m.place`;
    for (const { grp, name } of members) byId.get(grp)?.members.push(name);
    return sends;
  }

  /** Why that message may not be stored. */
  refusal({ app, dest, sender }: AppendRequest): ImError | undefined {
    const group = this.#groups.get(`${app}/${dest}`);
    if (!group) return new ImError("INVALID_BODY", "Cannot store message: there is no such group");
    if (group.members.includes(sender)) return undefined;
    return new ImError("UNAUTHORIZED", "Cannot store message: only members may write to a group");
  }

  /** Whose inboxes get a row; undefined: the group is large. */
  members({ app, dest }: AppendRequest): readonly string[] | undefined {
    const group = this.#groups.get(`${app}/${dest}`);
    return group?.large ? undefined : group?.members;
  }
}
