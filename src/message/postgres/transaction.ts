import postgres from "postgres";
import { ImError } from "../../base/errors.ts";

/** Connections, `bigint` as bigint. */
export type Sql = postgres.Sql<{ bigint: bigint }>;
/** One transaction. */
export type Tx = postgres.ReservedSql<{ bigint: bigint }>;

/** Connections that are replaced together. */
export interface Pool {
  readonly sql: Sql;
  /** One of them was lost. */
  lost: boolean;
  /** Called with the reason once all of them have ended: postgres.js forgets who waits for a connection of its own. */
  readonly waiting: Set<(reason: Error) => void>;
}

/** The server stops, starts, or has no connection left. */
const PASSING = /^(57P0[1-5]|53300|08)/;

/**
 * BEGIN, `body`, COMMIT on one connection, BEGIN together with what `body` sends first. Nothing is sent on a connection
 * that was lost, ROLLBACK neither: postgres.js would write to a socket that is not there. (`sql.begin` does.)
 */
export async function inTransaction(sql: Sql, pool: Pool, body: (tx: Tx) => Promise<void>): Promise<void> {
  const connection = await sql.reserve();
  let open = true;
  const tx = new Proxy(connection, {
    apply(target, self, args) {
      if (open && !pool.lost) return Reflect.apply(target, self, args);
      const refused = Promise.reject(new Ended());
      refused.catch(() => {}); // it may be a part of a statement
      return refused;
    },
  });
  try {
    const begun = connection`BEGIN`.execute(); // a statement is sent when it is waited for, or told to: this one is first
    await Promise.all([begun, body(tx)]);
    const { command } = await tx`COMMIT`;
    if (command !== "COMMIT") throw new Error(`Cannot commit: the answer is ${command}`);
  } catch (thrown) {
    open = false;
    if (pool.lost || isLost(thrown)) throw thrown;
    await connection`ROLLBACK`;
    connection.release();
    throw thrown;
  }
  open = false;
  connection.release();
}

/** A statement of a transaction that has ended: its connection was lost, or something else in it failed. */
export class Ended extends Error {
  override readonly name = "Ended";
  /** As the library's own have one. */
  readonly code = "CONNECTION_ENDED";

  constructor() {
    super("Cannot ask: the transaction has ended");
  }
}

/** The connection is gone, or there was none; broken ones have codes that are words. */
export function isLost(thrown: unknown): boolean {
  if (thrown instanceof postgres.PostgresError) return PASSING.test(thrown.code);
  return thrown instanceof Error && !(thrown instanceof ImError) && "code" in thrown;
}
