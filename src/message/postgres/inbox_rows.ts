import type { MadeRows } from "../group_store.ts";
import { ints, texts } from "./arrays.ts";
import type { Tx } from "./database.ts";
import { KIND } from "./names.ts";

interface Lacking {
  readonly account: number;
  readonly grp: number;
  readonly name: string;
  readonly place: bigint;
  readonly up_to: number;
  readonly message: bigint | null;
  readonly seq: number | null;
  readonly sender: number | null;
  readonly send_time: bigint | null;
}

/** See GroupStore.makeRows. Locks the accounts' rows in order. */
export async function makeRows(
  tx: Tx,
  app: string,
  accounts: readonly string[],
  since: bigint,
  most: number,
): Promise<MadeRows[]> {
  const logs = await tx<{ id: number; name: string; head: number }[]>`
    SELECT id, name, head FROM logs WHERE app = ${app} AND kind = ${KIND.account}
      AND name = ANY(${texts([...new Set(accounts)])}::text[]) ORDER BY app, name FOR UPDATE`;
  const heads = new Map(logs.map((log) => [log.id, log.head]));
  const lacking = logs.length === 0 ? [] : await tx<Lacking[]>`
    SELECT w.account, w.grp, w.name, w.place, w.up_to, x.id AS message, x.seq, x.sender, x.send_time FROM (
      SELECT m.account, m.grp, l.name, m.place, greatest(m.made, m.joined_seq, g.large_from) AS above,
        least(coalesce(m.left_seq, l.head), l.head) AS up_to
      FROM group_members m JOIN groups g ON g.id = m.grp JOIN logs l ON l.id = m.grp
      WHERE m.account = ANY(${ints([...heads.keys()])}::int4[]) AND g.large_from IS NOT NULL) AS w
    LEFT JOIN LATERAL (
      SELECT * FROM messages y WHERE y.conversation = w.grp AND y.seq > w.above AND y.seq <= w.up_to
        AND y.send_time >= ${String(since)} ORDER BY y.seq LIMIT ${most}) AS x ON true
    WHERE w.above < w.up_to ORDER BY w.account, x.id NULLS LAST`;
  const rows = chosen(lacking, most);
  const positions = rows.length > 0 ? await write(tx, rows, heads) : [];
  await moveMade(tx, lacking, rows, most);
  const made = new Map(logs.map((log) => {
    const own = rows.flatMap((row, i) =>
      row.account === log.id ? [{ group: row.name, seq: row.seq, pos: positions[i]! }] : []
    );
    return [log.name, { head: heads.get(log.id)!, rows: own }];
  }));
  return accounts.map((account) => made.get(account) ?? { head: 0, rows: [] });
}

interface Chosen extends Lacking {
  readonly message: bigint;
  readonly seq: number;
  readonly sender: number;
  readonly send_time: bigint;
}

/** At most `most` rows an account, oldest first. */
function chosen(lacking: readonly Lacking[], most: number): Chosen[] {
  const taken = new Map<number, number>();
  return lacking.filter((row): row is Chosen => {
    if (row.message === null) return false;
    const count = (taken.get(row.account) ?? 0) + 1;
    taken.set(row.account, count);
    return count <= most;
  });
}

/** Gives each row's position. */
async function write(tx: Tx, rows: readonly Chosen[], heads: Map<number, number>): Promise<number[]> {
  const positions = rows.map(({ account }) => {
    const pos = heads.get(account)! + 1;
    heads.set(account, pos);
    return pos;
  });
  const moved = [...new Set(rows.map((row) => row.account))];
  await Promise.all([
    tx`INSERT INTO entries (log, pos, message, direction, peer, grp, send_time)
      SELECT * FROM unnest(${ints(rows.map((row) => row.account))}::int4[], ${ints(positions)}::int4[],
        ${ints(rows.map((row) => row.message))}::int8[],
        ${ints(rows.map((row) => row.sender === row.account ? 1 : 0))}::int2[],
        ${ints(rows.map((row) => row.sender))}::int4[], ${ints(rows.map((row) => row.grp))}::int4[],
        ${ints(rows.map((row) => row.send_time))}::int8[])`,
    tx`UPDATE logs SET head = q.h FROM unnest(${ints(moved)}::int4[], ${ints(moved.map((id) => heads.get(id)))}::int4[])
      AS q (l, h) WHERE id = q.l`,
  ]);
  return positions;
}

/** A membership of which every row was made is at its end; another at its last row. */
async function moveMade(tx: Tx, lacking: readonly Lacking[], rows: readonly Chosen[], most: number): Promise<void> {
  const left = new Set(lacking);
  for (const row of rows) left.delete(row);
  const unfinished = new Set([...left].filter((row) => row.message !== null).map((row) => row.place));
  const found = new Map<bigint, number>();
  for (const row of lacking) found.set(row.place, (found.get(row.place) ?? 0) + (row.message === null ? 0 : 1));
  const made = new Map<bigint, { row: Lacking; seq: number }>();
  for (const row of lacking) {
    const cut = unfinished.has(row.place) || found.get(row.place) === most;
    if (!cut) made.set(row.place, { row, seq: row.up_to });
  }
  for (const row of rows) {
    if (!made.has(row.place) || made.get(row.place)!.seq < row.up_to) made.set(row.place, { row, seq: row.seq });
  }
  const all = [...made.values()];
  if (all.length === 0) return;
  await tx`UPDATE group_members m SET made = q.s
    FROM unnest(${ints(all.map((one) => one.row.grp))}::int4[], ${ints(all.map((one) => one.row.account))}::int4[],
      ${ints(all.map((one) => one.row.place))}::int8[], ${ints(all.map((one) => one.seq))}::int4[]) AS q (g, a, p, s)
    WHERE m.grp = q.g AND m.account = q.a AND m.place = q.p`;
}
