import type {
  Direction,
  Head,
  InboxEntry,
  InboxMessage,
  InboxPage,
  InboxRange,
  StoredContent,
} from "../message_store.ts";
import { ints, maybeTextOf, textOf, texts } from "./arrays.ts";
import type { Sql } from "./database.ts";
import { KIND } from "./names.ts";

const NO_HEAD: Head = { pos: 0, epoch: "0" };
const MOST_POS = 2 ** 31 - 1;

interface Log {
  readonly id: number;
  readonly head: Head;
}

interface EntryRow {
  readonly pos: number;
  readonly message: bigint;
  readonly direction: number;
  readonly peer: string;
  readonly grp: string | null;
  readonly send_time: bigint;
}

interface MessageRow extends EntryRow {
  readonly seq: number;
  readonly type: number;
  readonly body: Uint8Array;
  readonly extra: Uint8Array;
  readonly client_msg_id: Uint8Array | null;
}

export async function readHeads(sql: Sql, app: string, accounts: readonly string[]): Promise<Head[]> {
  if (accounts.length === 0) return [];
  const rows = await sql<{ name: string; head: number; trimmed: number; epoch: bigint }[]>`
    SELECT name, head, trimmed, ${epoch(sql)} FROM logs
    WHERE app = ${app} AND kind = ${KIND.account} AND name = ANY(${texts([...new Set(accounts)])}::text[])`;
  const heads = new Map(rows.map((row) => [row.name, headOf(row)]));
  return accounts.map((account) => heads.get(account) ?? NO_HEAD);
}

export async function readEntries(
  sql: Sql,
  app: string,
  account: string,
  range: InboxRange,
): Promise<InboxPage<InboxEntry>> {
  const log = await inbox(sql, app, account);
  if (!log) return { rows: [], head: NO_HEAD, scannedTo: range.after };
  const rows = await sql<EntryRow[]>`
    SELECT e.pos, e.message, e.direction, p.name AS peer, g.name AS grp, e.send_time
    FROM entries e JOIN logs p ON p.id = e.peer LEFT JOIN logs g ON g.id = e.grp WHERE ${within(sql, log, range)}
    ORDER BY e.pos LIMIT ${range.limit}`;
  return page(rows.map(entryOf), log, range);
}

export async function readMessages(
  sql: Sql,
  app: string,
  account: string,
  range: InboxRange,
): Promise<InboxPage<InboxMessage>> {
  const log = await inbox(sql, app, account);
  if (!log) return { rows: [], head: NO_HEAD, scannedTo: range.after };
  const rows = await sql<MessageRow[]>`
    SELECT e.pos, e.message, e.direction, p.name AS peer, g.name AS grp, e.send_time, m.seq, m.type, m.body, m.extra,
      m.client_msg_id
    FROM entries e JOIN logs p ON p.id = e.peer LEFT JOIN logs g ON g.id = e.grp JOIN messages m ON m.id = e.message
    WHERE ${within(sql, log, range)} ORDER BY e.pos LIMIT ${range.limit}`;
  const shown = rows.map((row): InboxMessage => ({
    ...entryOf(row),
    seq: row.seq,
    type: row.type,
    body: textOf(row.body),
    extra: textOf(row.extra),
    sender: row.direction === 1 ? account : row.peer,
    clientMsgId: maybeTextOf(row.client_msg_id),
  }));
  return page(shown, log, range);
}

/** What each message says, undefined for those the account is no party of. */
export async function readContents(
  sql: Sql,
  app: string,
  account: string | undefined,
  ids: readonly bigint[],
): Promise<(StoredContent | undefined)[]> {
  const rows = account === undefined ? await ofApp(sql, app, ids) : await sql<ContentRow[]>`
    SELECT m.id, m.type, m.body, m.extra FROM logs a JOIN messages m ON m.id = ANY(${ints(ids)}::int8[])
    WHERE a.app = ${app} AND a.kind = ${KIND.account} AND a.name = ${account} AND (m.sender = a.id OR m.receiver = a.id
      OR (m.receiver IS NULL AND (
        EXISTS (SELECT 1 FROM group_members w WHERE w.grp = m.conversation AND w.account = a.id
          AND m.seq > w.joined_seq AND (w.left_seq IS NULL OR m.seq <= w.left_seq)))))`;
  const found = new Map(rows.map(({ id, type, body, extra }) => [
    id,
    { messageId: id, type, body: textOf(body), extra: textOf(extra) },
  ]));
  return ids.map((id) => found.get(id));
}

interface ContentRow {
  readonly id: bigint;
  readonly type: number;
  readonly body: Uint8Array;
  readonly extra: Uint8Array;
}

function ofApp(sql: Sql, app: string, ids: readonly bigint[]): Promise<ContentRow[]> {
  return sql<ContentRow[]>`SELECT m.id, m.type, m.body, m.extra FROM messages m JOIN logs l ON l.id = m.conversation
    WHERE m.id = ANY(${ints(ids)}::int8[]) AND l.app = ${app}`;
}

export async function readPosition(sql: Sql, app: string, account: string, id: bigint): Promise<number | undefined> {
  const [row] = await sql<{ pos: number | null }[]>`
    SELECT CASE WHEN m.receiver IS NULL THEN (
        SELECT e.pos FROM entries e WHERE e.message = m.id AND e.log = a.id AND e.grp IS NOT NULL)
      WHEN m.sender = a.id THEN m.sender_pos WHEN m.receiver = a.id THEN m.receiver_pos END AS pos
    FROM logs a JOIN messages m ON m.id = ${String(id)}
    WHERE a.app = ${app} AND a.kind = ${KIND.account} AND a.name = ${account}`;
  return row?.pos ?? undefined;
}

export async function readAcked(sql: Sql, app: string, account: string, device: string): Promise<number> {
  const [row] = await sql<{ pos: number }[]>`
    SELECT c.pos FROM logs a JOIN cursors c ON c.account = a.id AND c.device = ${device}
    WHERE a.app = ${app} AND a.kind = ${KIND.account} AND a.name = ${account}`;
  return row?.pos ?? 0;
}

async function inbox(sql: Sql, app: string, account: string): Promise<Log | undefined> {
  const [row] = await sql<{ id: number; head: number; trimmed: number; epoch: bigint }[]>`
    SELECT id, head, trimmed, ${
    epoch(sql)
  } FROM logs WHERE app = ${app} AND kind = ${KIND.account} AND name = ${account}`;
  return row && { id: row.id, head: headOf(row) };
}

/** Logs from before the database was put back to an older state have the epoch of that moment. */
function epoch(sql: Sql) {
  return sql`greatest(epoch, (SELECT epoch FROM state)) AS epoch`;
}

/** An account that is only known by name (as a member of a group) has no inbox yet. */
function headOf(row: { head: number; trimmed: number; epoch: bigint }): Head {
  if (row.head === 0) return NO_HEAD;
  const head = { pos: row.head, epoch: String(row.epoch) };
  return row.trimmed === 0 ? head : { ...head, trimmed: row.trimmed };
}

function within(sql: Sql, log: Log, { after, upTo, direction, since }: InboxRange) {
  return sql`e.log = ${log.id} AND e.pos > ${Math.min(after, MOST_POS)} AND e.pos <= ${
    Math.min(upTo ?? MOST_POS, log.head.pos)
  }
    ${direction === undefined ? sql`` : sql`AND e.direction = ${direction}`}
    ${since === undefined ? sql`` : sql`AND e.send_time >= ${String(since)}`}`;
}

function page<Row extends { pos: number }>(rows: readonly Row[], log: Log, range: InboxRange): InboxPage<Row> {
  const full = rows.length >= range.limit;
  const { after, upTo = Infinity } = range;
  return {
    rows,
    head: log.head,
    scannedTo: full ? rows.at(-1)?.pos ?? after : Math.max(after, Math.min(upTo, log.head.pos)),
  };
}

function entryOf(row: EntryRow): InboxEntry {
  const direction: Direction = row.direction === 1 ? 1 : 0;
  return {
    pos: row.pos,
    messageId: row.message,
    direction,
    peer: row.peer,
    group: row.grp ?? "",
    sendTime: row.send_time,
  };
}
