import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { snowflakeMs } from "../../id/snowflake.ts";
import type { Stored } from "./stored.ts";
import { big, int, maybeBytes, text, whole } from "./rows.ts";
import { Packer, Unpacker } from "./wire.ts";

/** How long a client's own message id is remembered: 7 days. */
const REMEMBER_MS = 7 * 24 * 3_600_000;

/** A message that was stored with a client id. */
export interface KnownId {
  readonly message: bigint;
  /** Retention removed the message: what answers need of it. */
  readonly removed: Uint8Array | undefined;
}

/** What a message says. */
export interface Content {
  readonly type: number;
  readonly body: string;
  readonly extra: string;
}

/**
 * The written part of the client ids (what waits is in the logs of the tail). Old rows are not seen, and go while new
 * ones come: for every row written two are looked at, in the order of the table, over and over.
 */
export class ClientIds {
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  readonly #keep: StatementSync;
  readonly #skip: StatementSync;
  readonly #delete: StatementSync;
  /** Where the sweep is. */
  #at: Key = START;

  constructor(db: DatabaseSync) {
    this.#select = db.prepare("SELECT message, answer FROM dedupe WHERE account = ? AND client_msg_id = ?");
    this.#select.setReadBigInts(true);
    this.#insert = db.prepare(
      `INSERT INTO dedupe (account, client_msg_id, message, created) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET message = excluded.message, created = excluded.created, answer = NULL`,
    );
    this.#keep = db.prepare("UPDATE dedupe SET answer = ? WHERE account = ? AND client_msg_id = ? AND message = ?");
    this.#skip = db.prepare(
      `SELECT account, ${whole("client_msg_id")} FROM dedupe WHERE (account, client_msg_id) > (?, ?)
       ORDER BY account, dedupe.client_msg_id LIMIT 1 OFFSET ?`,
    );
    this.#delete = db.prepare(
      `DELETE FROM dedupe WHERE (account, client_msg_id) > (?, ?)
       AND (account, client_msg_id) <= (?, ?) AND created < ?`,
    );
  }

  /** The message that was stored with this id, maybe long ago. */
  find(account: number, id: string): KnownId | undefined {
    const row = this.#select.get(account, id);
    return row && { message: big(row, "message"), removed: maybeBytes(row, "answer") };
  }

  /** Needs a transaction. hot: per message that has a client id */
  add({ sender, clientMsgId, id }: Stored): void {
    this.#insert.run(sender, clientMsgId ?? null, id, snowflakeMs(id));
  }

  /** The message is about to be removed: keeps what a repetition of its request is answered from. Needs a transaction. */
  keep(stored: Stored, content: Content): void {
    this.#keep.run(packRemoved(stored, content), stored.sender, stored.clientMsgId ?? null, stored.id);
  }

  /** Looks at the next `count` rows and deletes the old ones. Needs a transaction. */
  sweep(count: number, nowMs: number): void {
    const row = this.#skip.get(this.#at.account, this.#at.id, count - 1);
    const end = row ? { account: int(row, "account"), id: text(row, "client_msg_id") } : END;
    this.#delete.run(this.#at.account, this.#at.id, end.account, end.id, nowMs - REMEMBER_MS);
    this.#at = row ? end : START;
  }
}

interface Key {
  readonly account: number;
  readonly id: string;
}

/** Before the first row, and behind the last. */
const START: Key = { account: -1, id: "" };
const END: Key = { account: Number.MAX_SAFE_INTEGER, id: "" };

/** Is a client id of that time (ms) no longer to be remembered? */
export function isForgotten(createdMs: number, nowMs: number): boolean {
  return createdMs < nowMs - REMEMBER_MS;
}

const FORMS = ["pair", "fan", "room"] as const;
const HASH_BYTES = 32;

/** `dedupe.answer`: SHA-256 of the content, then the numbers. */
function packRemoved(stored: Stored, content: Content): Uint8Array {
  const out = new Packer(128);
  for (const byte of hashOf(content).values()) out.u8(byte);
  out.i64(stored.sendTime);
  out.num(stored.conversation);
  out.num(stored.seq);
  out.num(stored.sender);
  out.num(stored.senderPos);
  out.num(stored.receiver);
  out.num(stored.receiverPos);
  out.u8(FORMS.indexOf(stored.form));
  return new Uint8Array(out.buffer, 0, out.length);
}

/** The numbers of a message that was removed. */
export function readRemoved(id: bigint, bytes: Uint8Array): Stored {
  const from = new Unpacker(Uint8Array.from(bytes.subarray(HASH_BYTES)));
  return {
    id,
    sendTime: from.i64(),
    conversation: from.num(),
    seq: from.num(),
    sender: from.num(),
    senderPos: from.num(),
    receiver: from.num(),
    receiverPos: from.num(),
    form: FORMS[from.u8()] ?? "pair",
    clientMsgId: undefined,
  };
}

/** Did the message that was removed say this? */
export function sameContent(bytes: Uint8Array, content: Content): boolean {
  return hashOf(content).equals(bytes.subarray(0, HASH_BYTES));
}

function hashOf({ type, body, extra }: Content): Buffer {
  return createHash("sha256").update(JSON.stringify([type, body, extra])).digest();
}
