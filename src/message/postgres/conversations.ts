import { ImError } from "../../base/errors.ts";
import type {
  Conversation,
  ConversationMessage,
  ConversationPage,
  HistoryPage,
  HistoryRange,
  Peer,
} from "../conversation_store.ts";
import { fromBase36, toBase36 } from "../../protocol/base36.ts";
import { texts } from "./arrays.ts";
import type { Sql } from "./database.ts";
import { readGroup } from "./groups.ts";
import { KIND, pairName } from "./names.ts";

/** Unread messages are counted up to here. */
const MOST_UNREAD = 1_000;
const MOST_SEQ = 2 ** 31 - 1;

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

/** A conversation as one account sees it. */
interface Seen {
  readonly id: number;
  readonly account: number;
  readonly head: number;
  /** It sees messages above this. */
  readonly above: number;
}

export async function readHistory(
  sql: Sql,
  app: string,
  account: string,
  peer: Peer,
  range: HistoryRange,
): Promise<HistoryPage> {
  const seen = await look(sql, app, account, peer);
  return seen ? await rows(sql, seen, range) : { rows: [], first: 1, head: 0 };
}

export async function readRoom(
  sql: Sql,
  app: string,
  group: string,
  after: number,
  limit: number,
): Promise<HistoryPage> {
  const [log] = await sql<{ id: number; head: number; trimmed: number }[]>`
    SELECT id, head, trimmed FROM logs WHERE app = ${app} AND kind = ${KIND.group} AND name = ${group}`;
  if (!log) throw new ImError("INVALID_BODY", "Cannot read group: there is no such group");
  return await rows(sql, { id: log.id, account: 0, head: log.head, above: log.trimmed }, { after, limit });
}

export async function readRoomHeads(sql: Sql, app: string, groups: readonly string[]): Promise<number[]> {
  const found = await sql<{ name: string; head: number }[]>`
    SELECT name, head FROM logs WHERE app = ${app} AND kind = ${KIND.group} AND name = ANY(${texts(groups)}::text[])`;
  const heads = new Map(found.map((row) => [row.name, row.head]));
  return groups.map((group) => heads.get(group) ?? 0);
}

/** Latest activity first: the last message, or joining the group. */
export async function readConversations(
  sql: Sql,
  app: string,
  account: string,
  from: string | undefined,
  limit: number,
): Promise<ConversationPage> {
  const before = from === undefined ? 2n ** 63n - 1n : fromBase36(from);
  if (before === undefined) throw new ImError("INVALID_BODY", "Cannot list conversations: `from` is none of ours");
  const found = await sql<
    {
      kind: number;
      name: string;
      other: string;
      head: number;
      read: number;
      above: number;
      active: bigint;
      conversation: number;
      account: number;
    }[]
  >`
    SELECT * FROM (
      SELECT l.kind, l.name, o.name AS other, l.head, c.read, c.conversation, c.account,
        greatest(l.trimmed, coalesce(m.joined_seq, 0)) AS above,
        coalesce((SELECT x.id FROM messages x WHERE x.conversation = l.id AND x.seq = l.head
          AND x.seq > coalesce(m.joined_seq, 0)), (m.joined * 1000 - 1288834974657) << 22, 1) AS active
      FROM logs a JOIN conversations c ON c.account = a.id JOIN logs l ON l.id = c.conversation
        JOIN logs o ON o.id = c.other
        LEFT JOIN group_members m ON m.grp = l.id AND m.account = a.id AND m.left_seq IS NULL
      WHERE a.app = ${app} AND a.kind = ${KIND.account} AND a.name = ${account}
        AND (l.kind = ${KIND.pair} OR m.grp IS NOT NULL)) AS q
    WHERE active < ${String(before)} ORDER BY active DESC LIMIT ${limit + 1}`;
  const page = found.slice(0, limit);
  const conversations = await Promise.all(page.map(async (row): Promise<Conversation> => {
    const seen = { id: row.conversation, account: row.account, head: row.head, above: row.above };
    const [{ rows: last }, counted] = await Promise.all([
      rows(sql, seen, { before: row.head + 1, limit: 1 }),
      unreadOf(sql, seen, row.read),
    ]);
    const isGroup = row.kind === KIND.group;
    return {
      peer: isGroup ? { group: row.name } : { account: row.other },
      head: row.head,
      last: last[0],
      ...counted,
      group: isGroup ? await readGroup(sql, app, row.name) : undefined,
    };
  }));
  return { conversations, next: found.length > limit ? toBase36(page.at(-1)!.active) : undefined };
}

/** Moves the read position; gives the one it has now. */
export async function setRead(sql: Sql, app: string, account: string, peer: Peer, seq: number): Promise<number> {
  const seen = await look(sql, app, account, peer);
  if (!seen) return 0;
  const upTo = Math.min(seq, seen.head);
  await sql`UPDATE conversations SET read = ${upTo}
    WHERE account = ${seen.account} AND conversation = ${seen.id} AND read < ${upTo}`;
  const [row] = await sql<{ read: number }[]>`
    SELECT read FROM conversations WHERE account = ${seen.account} AND conversation = ${seen.id}`;
  const { read } = await unreadOf(sql, seen, row?.read ?? 0);
  return read;
}

/** undefined: a pair that never talked. @throws {ImError} INVALID_BODY, UNAUTHORIZED */
async function look(sql: Sql, app: string, account: string, peer: Peer): Promise<Seen | undefined> {
  const group = "group" in peer ? peer.group : undefined;
  const kind = group === undefined ? KIND.pair : KIND.group;
  const name = "group" in peer ? peer.group : pairName(account, peer.account);
  const [row] = await sql<
    { id: number; head: number; trimmed: number; account: number | null; joined: number | null }[]
  >`
    SELECT l.id, l.head, l.trimmed, a.id AS account, m.joined_seq AS joined
    FROM logs l LEFT JOIN logs a ON a.app = l.app AND a.kind = ${KIND.account} AND a.name = ${account}
      LEFT JOIN group_members m ON m.grp = l.id AND m.account = a.id AND m.left_seq IS NULL
    WHERE l.app = ${app} AND l.kind = ${kind} AND l.name = ${name}`;
  if (!row && group === undefined) return undefined;
  if (!row) throw new ImError("INVALID_BODY", "Cannot read group: there is no such group");
  if (group !== undefined && row.joined === null) {
    throw new ImError("UNAUTHORIZED", "Cannot read group: only its members may");
  }
  return { id: row.id, account: row.account ?? 0, head: row.head, above: Math.max(row.trimmed, row.joined ?? 0) };
}

async function rows(sql: Sql, seen: Seen, range: HistoryRange): Promise<HistoryPage> {
  const up = "after" in range;
  const after = Math.min(Math.max(up ? range.after : 0, seen.above), MOST_SEQ);
  const before = up ? MOST_SEQ : Math.min(range.before, MOST_SEQ);
  const found = await sql<MessageRow[]>`
    SELECT m.seq, m.id, s.name AS sender, m.type, m.body, m.extra, m.send_time, m.client_msg_id
    FROM messages m JOIN logs s ON s.id = m.sender
    WHERE m.conversation = ${seen.id} AND m.seq > ${after} AND m.seq < ${before} AND m.seq <= ${seen.head}
    ORDER BY m.seq ${up ? sql`ASC` : sql`DESC`} LIMIT ${range.limit}`;
  const shown = found.map(messageOf);
  return { rows: up ? shown : shown.reverse(), first: seen.above + 1, head: seen.head };
}

/** The read position, which one's own messages move too, and how many of others' messages are above it. */
async function unreadOf(sql: Sql, seen: Seen, read: number): Promise<{ read: number; unread: number }> {
  const found = await sql<{ seq: number; own: boolean }[]>`
    SELECT seq, sender = ${seen.account} AS own FROM messages
    WHERE conversation = ${seen.id} AND seq > ${Math.max(read, seen.above)} AND seq <= ${seen.head}
    ORDER BY seq DESC LIMIT ${MOST_UNREAD}`;
  const own = found.findIndex((row) => row.own);
  return own < 0 ? { read, unread: found.length } : { read: found[own]!.seq, unread: own };
}

function messageOf(row: MessageRow): ConversationMessage {
  return {
    seq: row.seq,
    messageId: row.id,
    sender: row.sender,
    type: row.type,
    body: utf8.decode(row.body),
    extra: utf8.decode(row.extra),
    sendTime: row.send_time,
    clientMsgId: row.client_msg_id === null ? undefined : utf8.decode(row.client_msg_id),
  };
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
