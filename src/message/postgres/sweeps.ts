import { snowflakeAt } from "../../id/snowflake.ts";
import type { Sql } from "./database.ts";
import { dbMs } from "./scopes.ts";

/** Rows that one of `sweeps` removes at most. */
export const SWEEP_ROWS = 5_000;
/** Request keys are remembered for 10 minutes, transactions' names for a day, client ids for 7. */
const KEYS_MS = 600_000, BATCHES_MS = 86_400_000, CLIENT_IDS_MS = 7 * 86_400_000;

/** Ms since 1970 by the database's clock. */
export async function dbNow(sql: Sql): Promise<number> {
  const [{ now }] = await sql<[{ now: bigint }]>`SELECT ${dbMs(sql)} AS now`;
  return Number(now);
}

/** Statements that remove what nobody asks for any more, each to be repeated while it finds SWEEP_ROWS. */
export function sweeps(nowMs: number): readonly ((sql: Sql) => Promise<{ readonly count: number }>)[] {
  const before = (ms: number) => String(Math.floor(nowMs - ms));
  const idBefore = (ms: number) => String(snowflakeAt(nowMs - ms));
  return [
    (sql) =>
      sql`DELETE FROM scopes WHERE scope IN (SELECT scope FROM scopes WHERE used < ${before(KEYS_MS)}
        LIMIT ${SWEEP_ROWS} FOR UPDATE SKIP LOCKED)`,
    (sql) =>
      sql`DELETE FROM batches WHERE id IN (SELECT id FROM batches WHERE id < ${idBefore(BATCHES_MS)}
        ORDER BY id LIMIT ${SWEEP_ROWS} FOR UPDATE SKIP LOCKED)`,
    (sql) =>
      sql`DELETE FROM dedupe WHERE ctid = ANY(ARRAY(SELECT ctid FROM dedupe
        WHERE created < ${before(CLIENT_IDS_MS)} LIMIT ${SWEEP_ROWS} FOR UPDATE SKIP LOCKED))`,
    (sql) =>
      sql`DELETE FROM removed WHERE id IN (SELECT id FROM removed WHERE id < ${idBefore(CLIENT_IDS_MS)}
        ORDER BY id LIMIT ${SWEEP_ROWS} FOR UPDATE SKIP LOCKED)`,
  ];
}
