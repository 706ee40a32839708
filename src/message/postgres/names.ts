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
}

/** Moves the heads of all logs of one kind, in one statement that locks their rows in order. New ones get that epoch. */
export async function takeNumbers(tx: Tx, takings: Takings, epoch: bigint): Promise<void> {
  if (takings.size === 0) return;
  const all = takings.all();
  const rows = await tx<{ id: number; app: string; name: string; head: number; prev: bigint }[]>`
    INSERT INTO logs (app, kind, name, epoch, head, last_time)
    SELECT a, ${takings.kind}::smallint, n, ${String(epoch)}::bigint, c, t
    FROM unnest(${texts(all.map((one) => one.app))}::text[], ${texts(all.map((one) => one.name))}::text[],
      ${ints(all.map((one) => one.count))}::int4[], ${ints(all.map((one) => one.lastTime))}::int8[]) AS q (a, n, c, t)
    ORDER BY a COLLATE "C", n COLLATE "C"
    ON CONFLICT (app, kind, name) DO UPDATE SET head = logs.head + excluded.head, prev_time = logs.last_time,
      last_time = greatest(logs.last_time, excluded.last_time)
    RETURNING id, app, name, head, prev_time AS prev`;
  for (const row of rows) {
    const one = takings.find(row.app, row.name);
    if (!one) throw new Error(`Cannot store: ${row.name} was not asked for`);
    one.id = row.id;
    one.before = row.head - one.count;
    one.timeBefore = row.prev;
  }
}
