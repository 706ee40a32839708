import { SNOWFLAKE_EPOCH_MS } from "../../id/snowflake.ts";
import { ints } from "./arrays.ts";
import type { Tx } from "./database.ts";

interface Removed {
  readonly id: bigint;
  readonly conversation: number;
  readonly seq: number;
  readonly sender: number;
  readonly sender_pos: number;
  readonly receiver: number | null;
  readonly receiver_pos: number | null;
}

interface RemovedEntry {
  readonly log: number;
  readonly pos: number;
}

/** See ConversationStore.removeBefore. Ids tell the time to a millisecond, so the primary key finds the oldest. */
export async function removeBefore(tx: Tx, sendTime: bigint, most: number): Promise<number> {
  const idBelow = (sendTime / 1_000_000n + 1n - BigInt(SNOWFLAKE_EPOCH_MS)) << 22n;
  const messages = await tx<Removed[]>`
    DELETE FROM messages WHERE id IN (
      SELECT id FROM messages WHERE id < ${String(idBelow)} AND send_time < ${String(sendTime)}
      ORDER BY id LIMIT ${most} FOR UPDATE SKIP LOCKED)
    RETURNING id, conversation, seq, sender, sender_pos, receiver, receiver_pos`;
  if (messages.length === 0) return 0;
  const pairs = messages.flatMap((one) => one.receiver === null ? [] : [one]);
  const owned = pairs.flatMap((one): RemovedEntry[] => [
    { log: one.sender, pos: one.sender_pos },
    { log: one.receiver!, pos: one.receiver_pos! },
  ]);
  const inGroups = messages.filter((one) => one.receiver === null).map((one) => one.id);
  const [, made] = await Promise.all([
    tx`DELETE FROM entries e USING unnest(${ints(owned.map((one) => one.log))}::int4[],
      ${ints(owned.map((one) => one.pos))}::int4[]) AS q (l, p) WHERE e.log = q.l AND e.pos = q.p`,
    tx<RemovedEntry[]>`DELETE FROM entries WHERE message = ANY(${ints(inGroups)}::int8[]) AND grp IS NOT NULL
      RETURNING log, pos`,
  ]);
  const trimmed = new Map<number, number>();
  const trim = (log: number, upTo: number) => trimmed.set(log, Math.max(trimmed.get(log) ?? 0, upTo));
  for (const { conversation, seq } of messages) trim(conversation, seq);
  for (const { log, pos } of [...owned, ...made]) trim(log, pos);
  const logs = [...trimmed].sort(([a], [b]) => a - b);
  await tx`SELECT id FROM logs WHERE id = ANY(${
    ints(logs.map(([log]) => log))
  }::int4[]) ORDER BY kind DESC, app, name FOR UPDATE`;
  await tx`UPDATE logs SET trimmed = greatest(trimmed, q.t)
    FROM unnest(${ints(logs.map(([log]) => log))}::int4[], ${ints(logs.map(([, upTo]) => upTo))}::int4[]) AS q (l, t)
    WHERE id = q.l`;
  return messages.length;
}
