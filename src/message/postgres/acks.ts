import { ints, texts } from "./arrays.ts";
import type { Tx } from "./database.ts";
import { KIND } from "./names.ts";

export interface Ack {
  readonly app: string;
  readonly account: string;
  readonly device: string;
  readonly pos: number;
}

interface Waiting extends Ack {
  readonly resolve: (pos: number) => void;
  readonly reject: (error: unknown) => void;
}

/** Rows one transaction writes at most. */
const MOST = 500;

/** Read positions: what one turn asks for is written together. */
export class Acks {
  readonly #write: (run: (tx: Tx) => Promise<number[]>) => Promise<number[]>;
  #waiting: Waiting[] = [];
  #busy: Promise<void> | undefined;

  constructor(write: (run: (tx: Tx) => Promise<number[]>) => Promise<number[]>) {
    this.#write = write;
  }

  add(ack: Ack): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...ack, resolve, reject });
      this.#busy ??= this.#run();
    });
  }

  /** Resolves when everything asked for has been answered. */
  async idle(): Promise<void> {
    await this.#busy;
  }

  async #run(): Promise<void> {
    await undefined;
    while (this.#waiting.length > 0) {
      const some = this.#waiting.splice(0, MOST);
      try {
        const positions = await this.#write((tx) => moveCursors(tx, some));
        for (const [i, one] of some.entries()) one.resolve(positions[i] ?? 0);
      } catch (thrown) {
        for (const one of some) one.reject(thrown);
      }
    }
    this.#busy = undefined;
  }
}

/** Moves read positions forward, never back, never beyond the head; gives those they have now. */
async function moveCursors(tx: Tx, acks: readonly Ack[]): Promise<number[]> {
  const latest = new Map<string, Ack>();
  for (const ack of acks) {
    const key = keyOf(ack);
    const known = latest.get(key);
    if (!known || known.pos < ack.pos) latest.set(key, ack);
  }
  const all = [...latest.values()];
  const rows = await tx<{ app: string; name: string; device: string; pos: number }[]>`
    WITH asked AS (
      SELECT l.id, l.app, l.name, q.device, least(q.pos, l.head) AS pos
      FROM unnest(${texts(all.map((one) => one.app))}::text[], ${texts(all.map((one) => one.account))}::text[],
        ${texts(all.map((one) => one.device))}::text[], ${ints(all.map((one) => inRange(one.pos)))}::int4[])
        AS q (app, name, device, pos)
      JOIN logs l ON l.app = q.app AND l.kind = ${KIND.account} AND l.name = q.name),
    moved AS (
      INSERT INTO cursors (account, device, pos) SELECT id, device, pos FROM asked WHERE pos > 0 ORDER BY id, device
      ON CONFLICT (account, device) DO UPDATE SET pos = greatest(cursors.pos, excluded.pos)
      RETURNING account, device, pos)
    SELECT asked.app, asked.name, asked.device, coalesce(moved.pos, before.pos, 0) AS pos FROM asked
      LEFT JOIN moved ON moved.account = asked.id AND moved.device = asked.device
      LEFT JOIN cursors before ON before.account = asked.id AND before.device = asked.device`;
  const positions = new Map(
    rows.map(({ app, name: account, device, pos }) => [keyOf({ app, account, device, pos }), pos]),
  );
  return acks.map((ack) => positions.get(keyOf(ack)) ?? 0);
}

function inRange(pos: number): number {
  return Math.max(0, Math.min(pos, 2 ** 31 - 1));
}

function keyOf({ app, account, device }: Ack): string {
  return `${app}/${account}/${device}`;
}
