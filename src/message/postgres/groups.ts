import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import type { Snowflake } from "../../id/snowflake.ts";
import { fromBase36, toBase36 } from "../../protocol/base36.ts";
import type { CreateGroup, Group, MemberPage, Room } from "../group_store.ts";
import { ints, textOf, texts, utf8s } from "./arrays.ts";
import type { Sql, Tx } from "./database.ts";
import { KIND } from "./names.ts";
import { Scopes } from "./scopes.ts";

export interface GroupDeps {
  readonly clock: Clock;
  readonly ids: Snowflake;
  /** A group with more members is large. */
  readonly inboxGroup: number;
  readonly fault: (place: "statement") => void;
}

/** Accounts that one call changes. */
const MOST_MEMBERS = 5_000;

/** A new group, or the first answer of the same request. An error is the answer once the transaction is committed. */
export async function createGroup(
  tx: Tx,
  request: CreateGroup,
  deps: GroupDeps,
): Promise<{ id: string; members: string[] } | ImError> {
  const { app, owner, key } = request;
  const scopes = await Scopes.lock(tx, [key]);
  const known = key && scopes.find(key, "create group");
  if (known instanceof ImError) return known;
  if (known !== undefined) return { id: toBase36(known), members: await firstMembers(tx, app, toBase36(known)) };
  const refusal = startProblem(request, request.members, deps);
  if (refusal) {
    if (key && request.again) scopes.refuse(key);
    await scopes.save(tx);
    return refusal;
  }
  const made = deps.ids.next();
  const name = toBase36(made);
  const accounts = [...new Set([owner, ...request.members])];
  const [row] = await tx<[{ id: number }]>`
    INSERT INTO logs (app, kind, name, epoch, head) VALUES (${app}, ${KIND.group}, ${name}, ${
    String(made)
  }, 0) RETURNING id`;
  const logs = await intern(tx, app, accounts, made);
  deps.fault("statement");
  const now = seconds(deps.clock);
  const large = accounts.length > deps.inboxGroup ? 0 : null;
  await Promise.all([
    tx`INSERT INTO groups (id, name, owner, avatar, introduction, created, members, large_from)
      SELECT ${row.id}, t[1], ${logs.get(owner)!}, t[2], t[3], ${now}, ${accounts.length}, ${large}
      FROM (SELECT ${utf8s([request.name, request.avatar, request.introduction])}::bytea[] AS t) AS q`,
    addMembers(tx, { id: row.id, head: 0 }, accounts.map((account) => logs.get(account)!), now, made),
  ]);
  if (key) {
    scopes.add(key, made);
    await scopes.save(tx);
  }
  return { id: name, members: accounts };
}

/** Groups by id; unknown ones are left out. */
export async function readGroups(sql: Sql, app: string, ids: readonly string[]): Promise<Map<string, Group>> {
  const legal = ids.filter((id) => fromBase36(id) !== undefined);
  if (legal.length === 0) return new Map();
  const rows = await sql<
    {
      id: string;
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
    SELECT l.name AS id, g.name, g.avatar, g.introduction, o.name AS owner, g.created, g.members, l.head, g.large_from
    FROM logs l JOIN groups g ON g.id = l.id LEFT JOIN logs o ON o.id = g.owner
    WHERE l.app = ${app} AND l.kind = ${KIND.group} AND l.name = ANY(${texts(legal)}::text[])`;
  return new Map(rows.map((row): [string, Group] => [row.id, {
    id: row.id,
    name: textOf(row.name),
    avatar: textOf(row.avatar),
    introduction: textOf(row.introduction),
    owner: row.owner ?? "",
    createdAt: Number(row.created),
    memberCount: row.members,
    head: row.head,
    largeFrom: row.large_from ?? undefined,
  }]));
}

export async function isMember(sql: Sql, app: string, id: string, account: string): Promise<boolean> {
  if (fromBase36(id) === undefined) return false;
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
  const log = await findGroup(sql, app, id);
  const rows = await sql<{ account: string; joined: bigint; place: bigint }[]>`
    SELECT a.name AS account, m.joined, m.place FROM group_members m JOIN logs a ON a.id = m.account
    WHERE m.grp = ${log.id} AND m.left_seq IS NULL AND m.place > ${String(after)}
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

/** The log of a group. @throws {ImError} INVALID_BODY */
export async function findGroup(
  sql: Sql,
  app: string,
  id: string,
): Promise<{ id: number; head: number; trimmed: number }> {
  const [log] = fromBase36(id) === undefined ? [] : await sql<{ id: number; head: number; trimmed: number }[]>`
    SELECT id, head, trimmed FROM logs WHERE app = ${app} AND kind = ${KIND.group} AND name = ${id}`;
  return log ?? unknownGroup();
}

/** @throws {ImError} INVALID_BODY, always. */
export function unknownGroup(): never {
  throw noSuchGroup();
}

/** INVALID_BODY. */
export function noSuchGroup(): ImError {
  return new ImError("INVALID_BODY", "Cannot find group: there is none with this id");
}

/** Why it may not begin. */
export function startProblem(
  { startBy }: { startBy: number },
  accounts: readonly string[],
  { clock }: GroupDeps,
): ImError | undefined {
  if (accounts.length > MOST_MEMBERS) {
    const problem = `${accounts.length} accounts, at most ${MOST_MEMBERS} at once`;
    return new ImError("INVALID_BODY", `Cannot change group: ${problem}`);
  }
  return startBy < clock.mono() ? new ImError("BUSY", "Cannot change group: too late to start") : undefined;
}

/** Numbers of accounts by name; those that are new are made. */
export async function intern(
  tx: Tx,
  app: string,
  accounts: readonly string[],
  epoch: bigint,
): Promise<Map<string, number>> {
  const find = () =>
    tx<{ id: number; name: string }[]>`SELECT id, name FROM logs
      WHERE app = ${app} AND kind = ${KIND.account} AND name = ANY(${texts(accounts)}::text[])`;
  const known = new Map((await find()).map((one) => [one.name, one.id]));
  const missing = accounts.filter((account) => !known.has(account));
  if (missing.length === 0) return known;
  await tx`INSERT INTO logs (app, kind, name, epoch, head)
    SELECT ${app}, ${KIND.account}, n, ${String(epoch)}::int8, 0 FROM unnest(${texts(missing)}::text[]) AS q (n)
    ORDER BY n COLLATE "C" ON CONFLICT DO NOTHING`;
  return new Map((await find()).map((one) => [one.name, one.id]));
}

/** @param id snowflake of the change: members see the group in their lists from then on, everything so far is read. */
export async function addMembers(
  tx: Tx,
  group: { readonly id: number; readonly head: number },
  accounts: readonly number[],
  now: number,
  id: bigint,
): Promise<void> {
  await Promise.all([
    tx`INSERT INTO group_members (grp, account, joined_seq, made, joined)
      SELECT ${group.id}, a, ${group.head}, ${group.head}, ${now} FROM unnest(${
      ints(accounts)
    }::int4[]) WITH ORDINALITY AS q (a, i) ORDER BY i`,
    tx`INSERT INTO conversations (account, conversation, other, since, read)
      SELECT a, ${group.id}, ${group.id}, ${String(id)}::int8, ${group.head} FROM unnest(${
      ints(accounts)
    }::int4[]) AS q (a)
      ON CONFLICT (account, conversation) DO UPDATE SET since = excluded.since,
        read = greatest(conversations.read, excluded.read)`,
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

/** Unix time. */
export function seconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000);
}
