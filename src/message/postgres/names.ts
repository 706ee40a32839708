import { ints, texts } from "./arrays.ts";
import type { Tx } from "./database.ts";

export const KIND = { account: 0, pair: 1, group: 2 } as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

/** The name of the conversation of two accounts, whoever writes; `,` is not legal in names. */
export function pairName(one: string, other: string): string {
  return one < other ? `${one},${other}` : `${other},${one}`;
}

/** A log whose head moves by `count` in this transaction. */
export interface Taking {
  readonly app: string;
  readonly name: string;
  count: number;
  /** Of a conversation: the sendTime of its last new message; else 0. */
  lastTime: bigint;
  /** Set by `takeNumbers`: the log, and its head before. */
  id: number;
  before: number;
  /** Of a conversation: the sendTime of its last message before; numbers of this batch must be later. */
  timeBefore: bigint;
}

/** Logs by app and name, each counted once. */
export class Takings {
  readonly kind: Kind;
  /** Another transaction had the lock of one of them. */
  waited = false;
  readonly #byKey = new Map<string, Taking>();

  constructor(kind: Kind) {
    this.kind = kind;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** Takes `count` more numbers of that log; it is made when there is none. */
  take(app: string, name: string, count = 1): Taking {
    const key = `${app}/${name}`;
    let found = this.#byKey.get(key);
    if (!found) {
      found = { app, name, count: 0, lastTime: 0n, id: 0, before: 0, timeBefore: 0n };
      this.#byKey.set(key, found);
    }
    found.count += count;
    return found;
  }

  find(app: string, name: string): Taking | undefined {
    return this.#byKey.get(`${app}/${name}`);
  }

  all(): Taking[] {
    return [...this.#byKey.values()];
  }

  /** Keeps what the database says of one of them. */
  moved({ id, app, name, before, prev, waited = false }: MovedRow): Taking {
    const one = this.find(app, name);
    if (!one) throw new Error(`Cannot store: ${name} was not asked for`);
    one.id = id;
    one.before = before;
    one.timeBefore = prev;
    this.waited ||= waited;
    return one;
  }
}

/**
 * Moves the heads of logs, whose rows it locks in the order of kinds as given and then of names. Logs that are new are
 * made afterwards, with that epoch: an INSERT of everything would spend a log's number for each that is known.
 */
export async function takeNumbers(tx: Tx, kinds: readonly Takings[], epoch: bigint): Promise<void> {
  const asked = kinds.filter((takings) => takings.size > 0);
  const missing = await Promise.all(asked.map((takings) => move(tx, takings)));
  await Promise.all(asked.map((takings, i) => make(tx, takings, missing[i]!, epoch)));
}

/** Gives those that there are not yet. */
async function move(tx: Tx, takings: Takings): Promise<Taking[]> {
  const all = takings.all();
  const rows = await tx<MovedRow[]>`
    WITH locked AS (
      SELECT l.id, l.app, l.name, l.head, l.last_time, q.c, q.t
      FROM unnest(${texts(all.map((one) => one.app))}::text[], ${texts(all.map((one) => one.name))}::text[],
        ${ints(all.map((one) => one.count))}::int4[], ${ints(all.map((one) => one.lastTime))}::int8[])
        AS q (app, name, c, t)
      JOIN logs l ON l.app = q.app AND l.kind = ${takings.kind}::int2 AND l.name = q.name
      ORDER BY l.app, l.name FOR UPDATE OF l)
    UPDATE logs SET head = locked.head + c, last_time = greatest(locked.last_time, t) FROM locked, logs seen
    WHERE logs.id = locked.id AND seen.id = locked.id
    RETURNING logs.id, locked.app, locked.name, locked.head AS before, locked.last_time AS prev,
      seen.head <> locked.head AS waited`;
  const missing = new Set(all);
  for (const row of rows) missing.delete(takings.moved(row));
  return [...missing];
}

/** Another transaction may have made one meanwhile: it is moved. */
async function make(tx: Tx, takings: Takings, some: readonly Taking[], epoch: bigint): Promise<void> {
  if (some.length === 0) return;
  const rows = await tx<MovedRow[]>`
    INSERT INTO logs (app, kind, name, epoch, head, last_time)
    SELECT a, ${takings.kind}::int2, n, ${String(epoch)}::int8, c, t
    FROM unnest(${texts(some.map((one) => one.app))}::text[], ${texts(some.map((one) => one.name))}::text[],
      ${ints(some.map((one) => one.count))}::int4[], ${ints(some.map((one) => one.lastTime))}::int8[]) AS q (a, n, c, t)
    ORDER BY a COLLATE "C", n COLLATE "C"
    ON CONFLICT (app, kind, name) DO UPDATE SET head = logs.head + excluded.head, prev_time = logs.last_time,
      last_time = greatest(logs.last_time, excluded.last_time)
    RETURNING id, app, name, head, prev_time AS prev`.then((made) =>
    made.map((row) => ({ ...row, before: row.head! - takings.find(row.app, row.name)!.count }))
  );
  for (const row of rows) takings.moved(row);
}

interface MovedRow {
  readonly id: number;
  readonly app: string;
  readonly name: string;
  readonly before: number;
  readonly prev: bigint;
  readonly head?: number;
  /** Another transaction moved it after this one had asked for its lock: it was waited for. */
  readonly waited?: boolean;
}
