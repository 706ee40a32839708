import type { Appended, MemberPos } from "../message_store.ts";
import { ints } from "./arrays.ts";
import type { Tx } from "./database.ts";

/** What was answered for messages that were stored; of those that retention removed, without the fan. */
export async function firstAnswers(sql: Tx, ids: readonly bigint[]): Promise<Map<bigint, Appended>> {
  const columns = sql`id, send_time, seq, sender_pos, receiver, receiver_pos`;
  const rows = await sql<AnswerRow[]>`
    SELECT m.id, m.send_time, m.seq, m.sender_pos, m.receiver_pos, CASE WHEN m.receiver IS NULL THEN (
      SELECT json_agg(json_build_object('account', l.name, 'pos', e.pos) ORDER BY e.log)
      FROM entries e JOIN logs l ON l.id = e.log WHERE e.message = m.id AND e.grp IS NOT NULL) END AS fan
    FROM (SELECT ${columns} FROM messages WHERE id = ANY(${ints(ids)}::int8[])
      UNION ALL SELECT ${columns} FROM removed WHERE id = ANY(${ints(ids)}::int8[])) AS m`;
  return new Map(rows.map((row) => {
    const { id, send_time: sendTime, seq, sender_pos: senderPos, receiver_pos: receiverPos, fan } = row;
    const numbers = { messageId: id, sendTime, seq, senderPos, receiverPos: receiverPos ?? 0, duplicate: true };
    if (receiverPos !== null) return [id, numbers];
    if (senderPos === 0) return [id, { ...numbers, room: true }];
    return [id, fan === null ? numbers : { ...numbers, fan }];
  }));
}

interface AnswerRow {
  readonly id: bigint;
  readonly send_time: bigint;
  readonly seq: number;
  readonly sender_pos: number;
  readonly receiver_pos: number | null;
  readonly fan: readonly MemberPos[] | null;
}
