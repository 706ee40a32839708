import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Snowflake } from "../../id/snowflake.ts";
import { fromBase36, toBase36 } from "../../protocol/base36.ts";
import type { ChangeMembers, CreateGroup, Group, MemberPage, MembersChanged, Room } from "../group_store.ts";
import { ints, texts, utf8s } from "./arrays.ts";
import type { Sql, Tx } from "./database.ts";
import { KIND, takeNumbers, Takings } from "./names.ts";
import { Scopes } from "./scopes.ts";

export interface GroupDeps {
  readonly clock: Clock;
  readonly ids: Snowflake;
  /** A group with more members is large. */
  readonly inboxGroup: number;
}

/** The row of a group, locked until the transaction ends. */
interface Locked {
  readonly id: number;
  readonly head: number;
  readonly owner: string | null;
  readonly count: number;
  readonly large: boolean;
}

const NO_GROUP = "there is no such group";

/** A new group, or the first answer of the same request. */
export async function createGroup(
  tx: Tx,
  request: CreateGroup,
  deps: GroupDeps,
): Promise<{ id: string; members: string[] }> {
  const { app, owner, key } = request;
  const scopes = await Scopes.lock(tx, [key]);
  const known = key && scopes.find(key);
  if (known === "answered") throw new ImError("SYSTEM", `Cannot create group: request ${key?.n} has been answered`);
  if (known !== undefined) return { id: toBase36(known), members: await firstMembers(tx, app, toBase36(known)) };
  const made = deps.ids.next();
  const name = toBase36(made);
  const accounts = [...new Set([owner, ...request.members])];
  const [row] = await tx<[{ id: number }]>`
    INSERT INTO logs (app, kind, name, epoch, head) VALUES (${app}, ${KIND.group}, ${name}, ${
    String(made)
  }, 0) RETURNING id`;
  const logs = await intern(tx, app, accounts, made);
  const now = seconds(deps.clock);
  const large = accounts.length > deps.inboxGroup ? 0 : null;
  await Promise.all([
    tx`INSERT INTO groups (id, name, owner, avatar, introduction, created, members, large_from)
      SELECT ${row.id}, t[1], ${logs.get(owner)!}, t[2], t[3], ${now}, ${accounts.length}, ${large}
      FROM (SELECT ${utf8s([request.name, request.avatar, request.introduction])}::bytea[] AS t) AS q`,
    addMembers(tx, row.id, accounts.map((account) => logs.get(account)!), 0, now),
  ]);
  if (key) {
    scopes.add(key, made);
    await scopes.save(tx, deps.clock.now());
  }
  return { id: name, members: accounts };
}

/** Rules: a member may add anyone, anybody may add themselves. */
export async function join(tx: Tx, request: ChangeMembers, deps: GroupDeps): Promise<MembersChanged> {
  const { app, by } = request;
  const group = await lock(tx, app, request.group);
  const accounts = [...new Set(request.accounts)];
  if (by !== undefined && !(accounts.length === 1 && accounts[0] === by) && !await isIn(tx, group.id, by)) {
    throw new ImError("UNAUTHORIZED", "Cannot join group: only members may add others");
  }
  const logs = await intern(tx, app, accounts, deps.ids.next());
  const there = await tx<{ account: number }[]>`SELECT account FROM group_members
    WHERE grp = ${group.id} AND left_seq IS NULL AND account = ANY(${ints([...logs.values()])}::int4[])`;
  const inside = new Set(there.map((one) => one.account));
  const changed = accounts.filter((account) => !inside.has(logs.get(account)!));
  const count = group.count + changed.length;
  const becameLarge = !group.large && count > deps.inboxGroup;
  if (changed.length > 0) {
    await Promise.all([
      addMembers(tx, group.id, changed.map((account) => logs.get(account)!), group.head, seconds(deps.clock)),
      tx`UPDATE groups SET members = ${count}, large_from = coalesce(large_from, ${
        becameLarge ? group.head : null
      }::int4)
        WHERE id = ${group.id}`,
    ]);
  }
  return { changed, seq: group.head, large: group.large || becameLarge, becameLarge };
}

/** Rules: the owner may remove anyone, anybody may leave. */
export async function quit(tx: Tx, request: ChangeMembers): Promise<MembersChanged> {
  const { app, by } = request;
  const group = await lock(tx, app, request.group);
  const accounts = [...new Set(request.accounts)];
  if (by !== undefined && !(accounts.length === 1 && accounts[0] === by) && by !== group.owner) {
    throw new ImError("UNAUTHORIZED", "Cannot remove from group: only its owner may remove others");
  }
  const left = await tx<{ name: string; account: number }[]>`
    UPDATE group_members m SET left_seq = ${group.head} FROM logs l
    WHERE m.grp = ${group.id} AND m.left_seq IS NULL AND l.id = m.account AND l.app = ${app}
      AND l.kind = ${KIND.account} AND l.name = ANY(${texts(accounts)}::text[]) RETURNING l.name, m.account`;
  const changed = left.map((one) => one.name);
  if (changed.length > 0) {
    await tx`UPDATE groups SET members = members - ${changed.length},
        owner = CASE WHEN owner = ANY(${ints(left.map((one) => one.account))}::int4[]) THEN NULL ELSE owner END
      WHERE id = ${group.id}`;
  }
  return { changed, seq: group.head, large: group.large, becameLarge: false };
}

export async function readGroup(sql: Sql, app: string, id: string): Promise<Group | undefined> {
  if (fromBase36(id) === undefined) return undefined;
  const [row] = await sql<
    {
      name: Uint8Array;
      avatar: Uint8Array;
      introduction: Uint8Array;
      owner: string | null;
      created: bigint;
      members: number;
      head: number;
      large_from: number | null;
    }[]
  >`
    SELECT g.name, g.avatar, g.introduction, o.name AS owner, g.created, g.members, l.head, g.large_from
    FROM logs l JOIN groups g ON g.id = l.id LEFT JOIN logs o ON o.id = g.owner
    WHERE l.app = ${app} AND l.kind = ${KIND.group} AND l.name = ${id}`;
  return row && {
    id,
    name: utf8.decode(row.name),
    avatar: utf8.decode(row.avatar),
    introduction: utf8.decode(row.introduction),
    owner: row.owner ?? "",
    createdAt: Number(row.created),
    memberCount: row.members,
    head: row.head,
    largeFrom: row.large_from ?? undefined,
  };
}

export async function isMember(sql: Sql, app: string, id: string, account: string): Promise<boolean> {
  const rows =
    await sql`SELECT 1 FROM logs l JOIN logs a ON a.app = l.app AND a.kind = ${KIND.account} AND a.name = ${account}
    JOIN group_members m ON m.grp = l.id AND m.account = a.id AND m.left_seq IS NULL
    WHERE l.app = ${app} AND l.kind = ${KIND.group} AND l.name = ${id}`;
  return rows.length > 0;
}

export async function readMembers(
  sql: Sql,
  app: string,
  id: string,
  from: string | undefined,
  limit: number,
): Promise<MemberPage> {
  const after = from === undefined ? 0n : fromBase36(from);
  if (after === undefined) throw new ImError("INVALID_BODY", "Cannot list members: `from` is none of ours");
  const rows = await sql<{ account: string; joined: bigint; place: bigint }[]>`
    SELECT a.name AS account, m.joined, m.place
    FROM logs l JOIN group_members m ON m.grp = l.id AND m.left_seq IS NULL JOIN logs a ON a.id = m.account
    WHERE l.app = ${app} AND l.kind = ${KIND.group} AND l.name = ${id} AND m.place > ${String(after)}
    ORDER BY m.place LIMIT ${limit + 1}`;
  const page = rows.slice(0, limit);
  return {
    members: page.map(({ account, joined }) => ({ account, joinTime: Number(joined) })),
    next: rows.length > limit ? toBase36(page.at(-1)!.place) : undefined,
  };
}

export async function readRooms(sql: Sql, app: string, account: string): Promise<Room[]> {
  const rows = await sql<{ name: string; joined_seq: number; head: number }[]>`
    SELECT l.name, m.joined_seq, l.head
    FROM logs a JOIN group_members m ON m.account = a.id AND m.left_seq IS NULL JOIN groups g ON g.id = m.grp
    JOIN logs l ON l.id = m.grp
    WHERE a.app = ${app} AND a.kind = ${KIND.account} AND a.name = ${account} AND g.large_from IS NOT NULL
    ORDER BY m.place`;
  return rows.map((row) => ({ group: row.name, joinedSeq: row.joined_seq, head: row.head }));
}

/** The group's row, locked. @throws {ImError} INVALID_BODY */
async function lock(tx: Tx, app: string, id: string): Promise<Locked> {
  if (fromBase36(id) === undefined) throw new ImError("INVALID_BODY", `Cannot change group: ${NO_GROUP}`);
  // The log's row first, as sends do; then what belongs to it is read as it is now.
  const [log] = await tx<{ id: number; head: number }[]>`
    SELECT id, head FROM logs WHERE app = ${app} AND kind = ${KIND.group} AND name = ${id} FOR UPDATE`;
  const [group] = log
    ? await tx<{ owner: string | null; members: number; large: boolean }[]>`
      SELECT o.name AS owner, g.members, g.large_from IS NOT NULL AS large FROM groups g LEFT JOIN logs o ON o.id = g.owner
      WHERE g.id = ${log.id}`
    : [];
  if (!log || !group) throw new ImError("INVALID_BODY", `Cannot change group: ${NO_GROUP}`);
  return { id: log.id, head: log.head, owner: group.owner, count: group.members, large: group.large };
}

async function isIn(tx: Tx, group: number, account: string): Promise<boolean> {
  const rows = await tx`SELECT 1 FROM group_members m JOIN logs l ON l.id = m.account
    WHERE m.grp = ${group} AND m.left_seq IS NULL AND l.name = ${account}`;
  return rows.length > 0;
}

/** Numbers of accounts by name; those that are new are made. */
async function intern(tx: Tx, app: string, accounts: readonly string[], epoch: bigint): Promise<Map<string, number>> {
  const takings = new Takings(KIND.account);
  for (const account of accounts) takings.take(app, account, 0);
  await takeNumbers(tx, takings, epoch);
  return new Map(takings.all().map((one) => [one.name, one.id]));
}

async function addMembers(tx: Tx, group: number, accounts: readonly number[], seq: number, now: number): Promise<void> {
  await Promise.all([
    tx`INSERT INTO group_members (grp, account, joined_seq, made, joined)
      SELECT ${group}, a, ${seq}, ${seq}, ${now} FROM unnest(${
      ints(accounts)
    }::int4[]) WITH ORDINALITY AS q (a, i) ORDER BY i`,
    tx`INSERT INTO conversations (account, conversation, other)
      SELECT a, ${group}, ${group} FROM unnest(${ints(accounts)}::int4[]) AS q (a) ON CONFLICT DO NOTHING`,
  ]);
}

/** Who was in it from its beginning, in order. */
async function firstMembers(tx: Tx, app: string, id: string): Promise<string[]> {
  const rows = await tx<{ name: string }[]>`
    SELECT a.name FROM logs l JOIN groups g ON g.id = l.id JOIN group_members m ON m.grp = l.id AND m.joined = g.created
      JOIN logs a ON a.id = m.account
    WHERE l.app = ${app} AND l.kind = ${KIND.group} AND l.name = ${id} AND m.joined_seq = 0 ORDER BY m.place`;
  return [...new Set(rows.map((row) => row.name))];
}

function seconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
