import { snowflakeAt } from "../../id/snowflake.ts";
import { ints } from "./arrays.ts";
import type { Tx } from "./database.ts";

interface Oldest {
  readonly id: bigint;
  readonly send_time: bigint;
}

interface Removed {
  readonly id: bigint;
  readonly conversation: number;
  readonly sender: number;
  readonly sender_pos: number;
  readonly receiver: number | null;
  readonly receiver_pos: number | null;
}

/** Client ids stand for their message for 7 days, request keys for 10 minutes. */
const CLIENT_IDS_MS = 7 * 24 * 3_600_000;
const KEYS_MS = 600_000;

/**
 * One slice of ConversationStore.removeBefore: the oldest messages by id, up to the first that is young enough to stay.
 * Every log loses its beginning: `trimmed` is below its first row, or its head when none is left. A row that was made
 * late goes with its message, and may leave a hole that is passed over. Locks logs in the order that appends do.
 */
export async function removeSlice(tx: Tx, sendTime: bigint, most: number, nowMs: number): Promise<number> {
  const oldest = await tx<Oldest[]>`
    SELECT id, send_time FROM messages ORDER BY id LIMIT ${most} FOR UPDATE SKIP LOCKED`;
  const young = oldest.findIndex((one) => one.send_time >= sendTime);
  const ids = ints((young < 0 ? oldest : oldest.slice(0, young)).map((one) => one.id));
  if (ids === "{}") return 0;
  const messages = await tx<Removed[]>`
    WITH gone AS (DELETE FROM messages WHERE id = ANY(${ids}::int8[]) RETURNING *), kept AS (
      INSERT INTO removed SELECT * FROM gone WHERE id >= ${String(snowflakeAt(nowMs - KEYS_MS))}
        OR (client_msg_id IS NOT NULL AND id >= ${String(snowflakeAt(nowMs - CLIENT_IDS_MS))}))
    SELECT id, conversation, sender, sender_pos, receiver, receiver_pos FROM gone`;
  const own = messages.flatMap((one) =>
    one.receiver === null
      ? []
      : [{ log: one.sender, pos: one.sender_pos }, { log: one.receiver, pos: one.receiver_pos ?? 0 }]
  );
  const [, made] = await Promise.all([
    tx`DELETE FROM entries e USING unnest(${ints(own.map((one) => one.log))}::int4[],
      ${ints(own.map((one) => one.pos))}::int4[]) AS q (l, p) WHERE e.log = q.l AND e.pos = q.p`,
    tx<{ log: number }[]>`DELETE FROM entries WHERE message = ANY(${ids}::int8[]) AND grp IS NOT NULL RETURNING log`,
  ]);
  const accounts = new Set([...own, ...made].map((one) => one.log));
  const conversations = new Set(messages.map((one) => one.conversation));
  await Promise.all([
    tx`SELECT 1 FROM logs WHERE id = ANY(${ints([...conversations, ...accounts])}::int4[])
      ORDER BY kind DESC, app, name FOR UPDATE`,
    tx`UPDATE logs l SET trimmed = coalesce(
        (SELECT seq - 1 FROM messages WHERE conversation = l.id AND seq > l.trimmed ORDER BY seq LIMIT 1), l.head)
      WHERE l.id = ANY(${ints([...conversations])}::int4[])`,
    tx`UPDATE logs l SET trimmed = coalesce(
        (SELECT pos - 1 FROM entries WHERE log = l.id AND pos > l.trimmed ORDER BY pos LIMIT 1), l.head)
      WHERE l.id = ANY(${ints([...accounts])}::int4[])`,
  ]);
  return messages.length;
}
