import { ImError } from "../../base/errors.ts";
import { fromBase36 } from "../../protocol/base36.ts";
import type { ChangeMembers, MembersChanged } from "../group_store.ts";
import { ints, texts } from "./arrays.ts";
import type { Tx } from "./database.ts";
import { addMembers, type GroupDeps, intern, noSuchGroup, seconds, startProblem } from "./groups.ts";
import { KIND } from "./names.ts";
import { Scopes } from "./scopes.ts";

/** The row of a group, locked until the transaction ends. */
interface Locked {
  readonly id: number;
  readonly head: number;
  readonly owner: string | null;
  readonly count: number;
  readonly largeFrom: number | null;
}

/** In place of an id under a request's key: members were changed; the group became large by that. */
const CHANGED = 1n, BECAME_LARGE = 2n;

/** Does it, or gives the first answer of the same request. An error is the answer once the transaction is committed. */
export async function changeMembers(
  tx: Tx,
  what: "join" | "quit",
  request: ChangeMembers,
  deps: GroupDeps,
): Promise<MembersChanged | ImError> {
  const { app, key } = request;
  const scopes = await Scopes.lock(tx, [key]);
  const known = key && scopes.find(key, "change group");
  if (known instanceof ImError) return known;
  const problem = known === undefined ? startProblem(request, request.accounts, deps) : undefined;
  const group = problem ?? await lock(tx, app, request.group);
  if (known !== undefined) return group instanceof ImError ? group : unchanged(group, known === BECAME_LARGE);
  const result = group instanceof ImError ? group : await CHANGE[what](tx, group, request, deps);
  if (!key) return result;
  if (!(result instanceof ImError)) scopes.add(key, result.becameLarge ? BECAME_LARGE : CHANGED);
  else if (request.again) scopes.refuse(key);
  await scopes.save(tx);
  return result;
}

/** Rules: a member may add anyone, anybody may add themselves. */
async function join(tx: Tx, group: Locked, request: ChangeMembers, deps: GroupDeps): Promise<MembersChanged | ImError> {
  const { app, by } = request;
  const accounts = [...new Set(request.accounts)];
  if (by !== undefined && !(accounts.length === 1 && accounts[0] === by) && !await isIn(tx, group.id, by)) {
    return new ImError("UNAUTHORIZED", "Cannot join group: only members may add others");
  }
  const id = deps.ids.next();
  const logs = await intern(tx, app, accounts, id);
  const there = await tx<{ account: number }[]>`SELECT account FROM group_members
    WHERE grp = ${group.id} AND left_seq IS NULL AND account = ANY(${ints([...logs.values()])}::int4[])`;
  const inside = new Set(there.map((one) => one.account));
  const changed = accounts.filter((account) => !inside.has(logs.get(account)!));
  const count = group.count + changed.length;
  const becameLarge = group.largeFrom === null && count > deps.inboxGroup;
  deps.fault("statement");
  if (changed.length > 0) {
    await Promise.all([
      addMembers(tx, group, changed.map((account) => logs.get(account)!), seconds(deps.clock), id),
      tx`UPDATE groups SET members = ${count}, large_from = coalesce(large_from, ${
        becameLarge ? group.head : null
      }::int4)
        WHERE id = ${group.id}`,
    ]);
  }
  return { changed, seq: group.head, large: group.largeFrom !== null || becameLarge, becameLarge };
}

/** Rules: the owner may remove anyone, anybody may leave. */
async function quit(tx: Tx, group: Locked, request: ChangeMembers, deps: GroupDeps): Promise<MembersChanged | ImError> {
  const { app, by } = request;
  const accounts = [...new Set(request.accounts)];
  if (by !== undefined && !(accounts.length === 1 && accounts[0] === by) && by !== group.owner) {
    return new ImError("UNAUTHORIZED", "Cannot remove from group: only its owner may remove others");
  }
  const left = await tx<{ name: string; account: number }[]>`
    UPDATE group_members m SET left_seq = ${group.head} FROM logs l
    WHERE m.grp = ${group.id} AND m.left_seq IS NULL AND l.id = m.account AND l.app = ${app}
      AND l.kind = ${KIND.account} AND l.name = ANY(${texts(accounts)}::text[]) RETURNING l.name, m.account`;
  const changed = left.map((one) => one.name);
  deps.fault("statement");
  if (changed.length > 0) {
    await tx`UPDATE groups SET members = members - ${changed.length},
        owner = CASE WHEN owner = ANY(${ints(left.map((one) => one.account))}::int4[]) THEN NULL ELSE owner END
      WHERE id = ${group.id}`;
  }
  return { changed, seq: group.head, large: group.largeFrom !== null, becameLarge: false };
}

const CHANGE = { join, quit } as const;

/** What is answered to a change that was made before: nobody's membership changes any more. */
function unchanged({ head, largeFrom }: Locked, becameLarge: boolean): MembersChanged {
  return { changed: [], seq: becameLarge ? largeFrom ?? head : head, large: largeFrom !== null, becameLarge };
}

/** The group's row, locked. */
async function lock(tx: Tx, app: string, id: string): Promise<Locked | ImError> {
  if (fromBase36(id) === undefined) return noSuchGroup();
  // The log's row first, as sends do; then what belongs to it is read as it is now.
  const [log] = await tx<{ id: number; head: number }[]>`
    SELECT id, head FROM logs WHERE app = ${app} AND kind = ${KIND.group} AND name = ${id} FOR UPDATE`;
  const [group] = log
    ? await tx<{ owner: string | null; members: number; large_from: number | null }[]>`
      SELECT o.name AS owner, g.members, g.large_from FROM groups g LEFT JOIN logs o ON o.id = g.owner
      WHERE g.id = ${log.id}`
    : [];
  if (!log || !group) return noSuchGroup();
  return { id: log.id, head: log.head, owner: group.owner, count: group.members, largeFrom: group.large_from };
}

async function isIn(tx: Tx, group: number, account: string): Promise<boolean> {
  const rows = await tx`SELECT 1 FROM group_members m JOIN logs l ON l.id = m.account
    WHERE m.grp = ${group} AND m.left_seq IS NULL AND l.name = ${account}`;
  return rows.length > 0;
}
