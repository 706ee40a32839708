import { ImError } from "../../base/errors.ts";
import type {
  Conversation,
  ConversationMessage,
  ConversationPage,
  HistoryPage,
  HistoryRange,
  Peer,
} from "../conversation_store.ts";
import { fromBase36 } from "../../protocol/base36.ts";
import { ints, maybeTextOf, textOf, texts } from "./arrays.ts";
import type { Sql } from "./database.ts";
import { findGroup, readGroups } from "./groups.ts";
import { KIND, pairName } from "./names.ts";

/** Unread messages are counted up to here. */
const MOST_UNREAD = 1_000;
const MOST_SEQ = 2 ** 31 - 1;
const MOST_INT8 = String(2n ** 63n - 1n);

interface MessageRow {
  readonly seq: number;
  readonly id: bigint;
  readonly sender: string;
  readonly type: number;
  readonly body: Uint8Array;
  readonly extra: Uint8Array;
  readonly send_time: bigint;
  readonly client_msg_id: Uint8Array | null;
}

/** While an account was in a group: it sees messages above `after`, up to `upTo`. */
interface Stay {
  readonly after: number;
  readonly upTo: number;
}

/** A conversation as one account sees it. */
interface Seen {
  readonly id: number;
  readonly head: number;
  readonly trimmed: number;
  /** Log of who looks. */
  readonly account: number;
  /** Ascending. Of a pair one, of everything. */
  readonly stays: readonly Stay[];
}

const EVERYTHING: readonly Stay[] = [{ after: 0, upTo: MOST_SEQ }];

export async function readHistory(
  sql: Sql,
  app: string,
  account: string,
  peer: Peer,
  range: HistoryRange,
): Promise<HistoryPage> {
  const seen = await look(sql, app, account, peer);
  return seen ? await page(sql, seen, range) : { rows: [], first: 1, head: 0 };
}

export async function readRoom(
  sql: Sql,
  app: string,
  group: string,
  after: number,
  limit: number,
): Promise<HistoryPage> {
  const log = await findGroup(sql, app, group);
  return await page(sql, { ...log, account: 0, stays: EVERYTHING }, { after, limit });
}

export async function readRoomHeads(sql: Sql, app: string, groups: readonly string[]): Promise<number[]> {
  const legal = groups.filter((group) => fromBase36(group) !== undefined);
  const found = await sql<{ name: string; head: number }[]>`
    SELECT name, head FROM logs WHERE app = ${app} AND kind = ${KIND.group} AND name = ANY(${texts(legal)}::text[])`;
  const heads = new Map(found.map((row) => [row.name, row.head]));
  return groups.map((group) => heads.get(group) ?? 0);
}

interface LineRow {
  readonly conversation: number;
  readonly kind: number;
  readonly name: string;
  readonly other: string;
  readonly head: number;
  readonly read: number;
  /** What the account sees now is above this. */
  readonly above: number;
  readonly last: bigint | null;
  readonly active: bigint;
}

/** Latest activity first: the last message that the account saw, or joining the group. */
export async function readConversations(
  sql: Sql,
  app: string,
  account: string,
  from: string | undefined,
  limit: number,
): Promise<ConversationPage> {
  const [active, conversation] = cursorOf(from);
  const found = await sql<LineRow[]>`
    SELECT * FROM (
      SELECT c.conversation, l.kind, l.name, o.name AS other, l.head, c.read, x.id AS last,
        greatest(l.trimmed, m.joined_seq) AS above, greatest(x.id, c.since) AS active
      FROM logs a JOIN conversations c ON c.account = a.id JOIN logs l ON l.id = c.conversation
        JOIN logs o ON o.id = c.other
        LEFT JOIN group_members m ON m.grp = l.id AND m.account = a.id AND m.left_seq IS NULL
        LEFT JOIN messages x ON x.conversation = l.id AND x.seq =
          CASE WHEN m.joined_seq >= l.head THEN (SELECT max(w.left_seq) FROM group_members w
            WHERE w.grp = l.id AND w.account = a.id AND w.left_seq > w.joined_seq) ELSE l.head END
      WHERE a.app = ${app} AND a.kind = ${KIND.account} AND a.name = ${account}
        AND (l.kind = ${KIND.pair} OR m.grp IS NOT NULL)) AS q
    WHERE (active, conversation) < (${active}::int8, ${conversation}::int8)
    ORDER BY active DESC, conversation DESC LIMIT ${limit + 1}`;
  const lines = found.slice(0, limit);
  const [lasts, groups] = await Promise.all([
    readMessages(sql, lines.flatMap((line) => line.last ?? [])),
    readGroups(sql, app, lines.flatMap((line) => line.kind === KIND.group ? [line.name] : [])),
  ]);
  const end = found.length > limit ? lines.at(-1) : undefined;
  return {
    conversations: lines.map(({ head, read, above, kind, name, other, last }): Conversation => ({
      peer: kind === KIND.group ? { group: name } : { account: other },
      head,
      last: last === null ? undefined : lasts.get(last),
      read,
      unread: Math.min(MOST_UNREAD, Math.max(0, head - Math.max(read, above))),
      group: groups.get(name),
    })),
    next: end && `${end.active}.${end.conversation}`,
  };
}

/** Moves the read position; gives the one it has now. */
export async function setRead(sql: Sql, app: string, account: string, peer: Peer, seq: number): Promise<number> {
  const seen = await look(sql, app, account, peer);
  if (!seen) return 0;
  const upTo = Math.min(seq, seen.head);
  const own = sql`account = ${seen.account} AND conversation = ${seen.id}`;
  const [row] = await sql<{ read: number }[]>`
    WITH moved AS (UPDATE conversations SET read = ${upTo} WHERE ${own} AND read < ${upTo} RETURNING read)
    SELECT coalesce((SELECT read FROM moved), read) AS read FROM conversations WHERE ${own}`;
  return row?.read ?? 0;
}

/** undefined: a pair that never talked. @throws {ImError} INVALID_BODY, UNAUTHORIZED */
async function look(sql: Sql, app: string, account: string, peer: Peer): Promise<Seen | undefined> {
  if ("account" in peer) {
    const name = pairName(account, peer.account);
    const [pair] = await sql<{ id: number; head: number; trimmed: number; account: number }[]>`
      SELECT l.id, l.head, l.trimmed, a.id AS account
      FROM logs l JOIN logs a ON a.app = l.app AND a.kind = ${KIND.account} AND a.name = ${account}
      WHERE l.app = ${app} AND l.kind = ${KIND.pair} AND l.name = ${name}`;
    return pair && { ...pair, stays: EVERYTHING };
  }
  const log = await findGroup(sql, app, peer.group);
  const rows = await sql<{ account: number; after: number; up_to: number | null }[]>`
    SELECT m.account, m.joined_seq AS after, m.left_seq AS up_to
    FROM logs a JOIN group_members m ON m.grp = ${log.id} AND m.account = a.id
    WHERE a.app = ${app} AND a.kind = ${KIND.account} AND a.name = ${account} ORDER BY m.place`;
  const now = rows.at(-1);
  if (!now || now.up_to !== null) throw new ImError("UNAUTHORIZED", "Cannot read group: only its members read it");
  return { ...log, account: now.account, stays: rows.map(({ after, up_to }) => ({ after, upTo: up_to ?? MOST_SEQ })) };
}

async function page(sql: Sql, { id, head, trimmed, stays }: Seen, range: HistoryRange): Promise<HistoryPage> {
  const seen = stays
    .map(({ after, upTo }) => ({ after: Math.max(after, trimmed), upTo: Math.min(upTo, head) }))
    .filter(({ after, upTo }) => after < upTo);
  const first = (seen[0]?.after ?? head) + 1;
  const up = "after" in range;
  const parts = seen
    .map(({ after, upTo }) =>
      up ? { after: Math.max(after, range.after), upTo } : { after, upTo: Math.min(upTo, range.before - 1) }
    )
    .filter(({ after, upTo }) => after < upTo);
  if (parts.length === 0 || range.limit <= 0) return { rows: [], first, head };
  const order = up ? sql`ASC` : sql`DESC`;
  const found = await sql<MessageRow[]>`
    SELECT m.seq, m.id, s.name AS sender, m.type, m.body, m.extra, m.send_time, m.client_msg_id
    FROM unnest(${ints(parts.map((part) => part.after))}::int4[], ${ints(parts.map((part) => part.upTo))}::int4[])
      AS q (above, up_to) CROSS JOIN LATERAL (
        SELECT * FROM messages x WHERE x.conversation = ${id} AND x.seq > q.above AND x.seq <= q.up_to
        ORDER BY x.seq ${order} LIMIT ${range.limit}) AS m JOIN logs s ON s.id = m.sender
    ORDER BY m.seq ${order} LIMIT ${range.limit}`;
  const rows = found.map(messageOf);
  return { rows: up ? rows : rows.reverse(), first, head };
}

async function readMessages(sql: Sql, ids: readonly bigint[]): Promise<Map<bigint, ConversationMessage>> {
  if (ids.length === 0) return new Map();
  const rows = await sql<MessageRow[]>`
    SELECT m.seq, m.id, s.name AS sender, m.type, m.body, m.extra, m.send_time, m.client_msg_id
    FROM messages m JOIN logs s ON s.id = m.sender WHERE m.id = ANY(${ints(ids)}::int8[])`;
  return new Map(rows.map((row) => [row.id, messageOf(row)]));
}

/** A place in the list: activity and conversation. @throws {ImError} INVALID_BODY */
function cursorOf(from: string | undefined): readonly [string, string] {
  if (from === undefined) return [MOST_INT8, "0"];
  const [, active, conversation] = /^(\d{1,18}|[1-8]\d{18})\.(\d{1,10})$/.exec(from) ?? [];
  if (active === undefined || conversation === undefined) {
    throw new ImError("INVALID_BODY", "Cannot list conversations: no page starts there");
  }
  return [active, conversation];
}

function messageOf(row: MessageRow): ConversationMessage {
  return {
    seq: row.seq,
    messageId: row.id,
    sender: row.sender,
    type: row.type,
    body: textOf(row.body),
    extra: textOf(row.extra),
    sendTime: row.send_time,
    clientMsgId: maybeTextOf(row.client_msg_id),
  };
}
