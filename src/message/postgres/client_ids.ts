import { snowflakeMs } from "../../id/snowflake.ts";
import type { AppendRequest } from "../message_store.ts";
import { ints, textOf, texts, utf8s } from "./arrays.ts";
import { InTheWay, type Tx } from "./database.ts";
import { KIND } from "./names.ts";

/** How long a client id stands for its message. */
const REMEMBER_MS = 7 * 24 * 3600_000;

/** A stored message, as far as it is compared with what comes under its client id again. */
export interface KnownMessage {
  readonly id: bigint;
  readonly dest: string;
  readonly group: boolean;
  readonly type: number;
  readonly body: string;
  readonly extra: string;
}

interface Used {
  readonly account: number;
  readonly id: bigint;
  readonly clientMsgId?: string | undefined;
}

/** The client message ids of one transaction's requests that were used before. */
export class KnownClientIds {
  readonly #known = new Map<string, KnownMessage>();
  readonly #since: bigint;

  private constructor(sinceMs: number) {
    this.#since = BigInt(Math.floor(sinceMs));
  }

  static async read(tx: Tx, batch: readonly AppendRequest[], nowMs: number): Promise<KnownClientIds> {
    const found = new KnownClientIds(nowMs - REMEMBER_MS);
    const asked = batch.filter((one) => one.clientMsgId !== undefined);
    if (asked.length === 0) return found;
    const rows = await tx<
      {
        at: number;
        id: bigint;
        dest: string;
        grp: boolean;
        type: number;
        body: Uint8Array;
        extra: Uint8Array;
      }[]
    >`
      SELECT q.at::int4 AS at, m.id, dest.name AS dest, m.receiver IS NULL AS grp, m.type, m.body, m.extra
      FROM unnest(${texts(asked.map((one) => one.app))}::text[], ${texts(asked.map((one) => one.sender))}::text[],
        ${utf8s(asked.map((one) => one.clientMsgId))}::bytea[]) WITH ORDINALITY AS q (app, sender, client, at)
      JOIN logs s ON s.app = q.app AND s.kind = ${KIND.account} AND s.name = q.sender
      JOIN dedupe d ON d.account = s.id AND d.client_msg_id = q.client AND d.created >= ${String(found.#since)}::int8
      JOIN LATERAL (
        SELECT id, conversation, receiver, type, body, extra FROM messages WHERE id = d.message
        UNION ALL SELECT id, conversation, receiver, type, body, extra FROM removed WHERE id = d.message) m ON true
      JOIN logs dest ON dest.id = coalesce(m.receiver, m.conversation)`;
    for (const { at, id, dest, grp, type, body, extra } of rows) {
      const { app, sender, clientMsgId } = asked[at - 1]!;
      const message = { id, dest, group: grp, type, body: textOf(body), extra: textOf(extra) };
      found.#known.set(`${app}/${sender}/${clientMsgId}`, message);
    }
    return found;
  }

  find({ app, sender, clientMsgId }: AppendRequest): KnownMessage | undefined {
    return this.#known.get(`${app}/${sender}/${clientMsgId}`);
  }

  /** @throws when another process used one of them meanwhile: the transaction is repeated. */
  async save(tx: Tx, used: readonly Used[]): Promise<void> {
    const all = used.filter((one) => one.clientMsgId !== undefined);
    if (all.length === 0) return;
    const rows = await tx`
      INSERT INTO dedupe (account, client_msg_id, message, created)
      SELECT * FROM unnest(${ints(all.map((one) => one.account))}::int4[],
        ${utf8s(all.map((one) => one.clientMsgId))}::bytea[], ${ints(all.map((one) => one.id))}::int8[],
        ${ints(all.map((one) => snowflakeMs(one.id)))}::int8[])
      ON CONFLICT (account, client_msg_id) DO UPDATE SET message = excluded.message, created = excluded.created
        WHERE dedupe.created < ${String(this.#since)}::int8
      RETURNING 1`;
    if (rows.length < all.length) throw new InTheWay("a client id was used meanwhile");
  }
}
