import { ImError } from "../../base/errors.ts";
import type { RequestKey } from "../../protocol/route.ts";
import { blobs, ints, texts } from "./arrays.ts";
import type { Sql, Tx } from "./database.ts";

/** Bytes of one answer in a row's `answers`. */
const ANSWER_BYTES = 16;
/** In place of an id: it made nothing, and never will. */
const REFUSED = 0n;

interface Scope {
  low: number;
  /** n → the id of what it made; a number below any id says what it did instead. */
  readonly answers: Map<number, bigint>;
  readonly isNew: boolean;
  changed: boolean;
}

/**
 * The request keys of one transaction's scopes (channels): read and locked at its beginning, written at its end. A scope
 * that two processes make at once fails in one of them with unique_violation, and that transaction is repeated.
 */
export class Scopes {
  readonly #scopes = new Map<string, Scope>();

  /** Locks the rows in order. */
  static async lock(tx: Tx, keys: readonly (RequestKey | undefined)[]): Promise<Scopes> {
    const scopes = new Scopes();
    const names = [...new Set(keys.flatMap((key) => key ? [key.scope] : []))];
    if (names.length === 0) return scopes;
    const rows = await tx<{ scope: string; low: bigint; answers: Uint8Array }[]>`
      SELECT scope, low, answers FROM scopes WHERE scope = ANY(${texts(names)}::text[]) ORDER BY scope FOR UPDATE`;
    for (const { scope, low, answers } of rows) {
      scopes.#scopes.set(scope, { low: Number(low), answers: unpack(answers), isNew: false, changed: false });
    }
    return scopes;
  }

  /**
   * What `add` was given for that request, or why nothing may be made for it any more; undefined: it is new.
   * @param what for the error's text.
   */
  find(key: RequestKey, what: string): bigint | ImError | undefined {
    const scope = this.#scopes.get(key.scope);
    const id = scope?.answers.get(key.n);
    if (id === REFUSED) return new ImError("BUSY", `Cannot ${what}: the request was refused before`);
    if (id !== undefined || !scope || key.n >= scope.low) return id;
    return new ImError("SYSTEM", `Cannot ${what}: request ${key.n} of its channel has been answered`);
  }

  /** What was added for requests of its scope that came after it. */
  after({ scope, n }: RequestKey): bigint[] {
    return [...this.#scopes.get(scope)?.answers ?? []].flatMap(([later, id]) => later > n ? [id] : []);
  }

  /** What came again is refused for good: its first copy may still come. */
  refuse(key: RequestKey): void {
    if (this.find(key, "") === undefined) this.add(key, REFUSED);
  }

  add(key: RequestKey, id: bigint): void {
    let scope = this.#scopes.get(key.scope);
    if (!scope) this.#scopes.set(key.scope, scope = { low: 0, answers: new Map(), isNew: true, changed: true });
    if (key.low > scope.low) {
      scope.low = key.low;
      for (const n of scope.answers.keys()) if (n < key.low) scope.answers.delete(n);
    }
    scope.answers.set(key.n, id);
    scope.changed = true;
  }

  /** By the database's clock, which is the same for all processes: one whose clock is ahead must not find all keys old. */
  async save(tx: Tx): Promise<void> {
    const changed = [...this.#scopes].filter(([, scope]) => scope.changed);
    const some = (isNew: boolean) => changed.filter(([, scope]) => scope.isNew === isNew);
    const columns = (rows: typeof changed) =>
      tx`SELECT n, l, b, ${dbMs(tx)} FROM unnest(${texts(rows.map(([name]) => name))}::text[],
        ${ints(rows.map(([, scope]) => scope.low))}::int8[],
        ${blobs(rows.map(([, scope]) => pack(scope.answers)))}::bytea[]) AS q (n, l, b)`;
    const made = some(true), known = some(false);
    if (made.length > 0) await tx`INSERT INTO scopes (scope, low, answers, used) ${columns(made)}`;
    if (known.length > 0) {
      await tx`UPDATE scopes SET low = q.l, answers = q.b, used = q.u
        FROM (${columns(known)}) AS q (n, l, b, u) WHERE scope = q.n`;
    }
  }
}

/** Ms since 1970 by the database's clock. */
export function dbMs(sql: Sql | Tx) {
  return sql`(extract(epoch FROM clock_timestamp()) * 1000)::int8`;
}

function pack(answers: ReadonlyMap<number, bigint>): Uint8Array {
  const view = new DataView(new ArrayBuffer(answers.size * ANSWER_BYTES));
  let at = 0;
  for (const [n, id] of answers) {
    view.setFloat64(at, n);
    view.setBigInt64(at + 8, id);
    at += ANSWER_BYTES;
  }
  return new Uint8Array(view.buffer);
}

function unpack(bytes: Uint8Array): Map<number, bigint> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const answers = new Map<number, bigint>();
  for (let at = 0; at < bytes.length; at += ANSWER_BYTES) answers.set(view.getFloat64(at), view.getBigInt64(at + 8));
  return answers;
}
