import type { DatabaseSync } from "node:sqlite";
import { big, int, maybeText, NUMBER_COLUMNS, type Row } from "./rows.ts";

/** A stored message, as far as later rows and answers need it. Shared by all logs it is in. */
export interface Stored {
  readonly id: bigint;
  readonly sendTime: bigint;
  readonly conversation: number;
  readonly seq: number;
  readonly sender: number;
  /** 0 in a large group. */
  readonly senderPos: number;
  /** 0 for a group. */
  readonly receiver: number;
  readonly receiverPos: number;
  readonly clientMsgId: string | undefined;
  /** pair: two accounts. fan: a group whose members all got a row. room: a large group, nobody did. */
  readonly form: "pair" | "fan" | "room";
}

/** The account that a row of that log names: of a pair the other one, of a group and in a conversation the sender. */
export function peerIn(log: number, stored: Stored): number {
  return stored.form === "pair" && log === stored.sender ? stored.receiver : stored.sender;
}

/** A message as it is answered: stored now, or by an earlier request. */
export interface Answer {
  readonly stored: Stored;
  readonly duplicate: boolean;
  /** Of a group that is not large; undefined also for a duplicate that retention removed. */
  readonly fan?: AnswerFan | undefined;
}

/** A `fan` column and the names of its members. Answers of one group usually share `names`. */
export interface AnswerFan {
  readonly names: readonly string[];
  readonly bytes: Uint8Array;
}

/** A row of `messages`, read with big integers. */
export function storedOf(row: Row): Stored {
  const pair = row["receiver"] !== null;
  return {
    id: big(row, "id"),
    sendTime: big(row, "send_time"),
    conversation: int(row, "conversation"),
    seq: int(row, "seq"),
    sender: int(row, "sender"),
    senderPos: int(row, "sender_pos"),
    receiver: pair ? int(row, "receiver") : 0,
    receiverPos: pair ? int(row, "receiver_pos") : 0,
    form: pair ? "pair" : int(row, "fanned") === 1 ? "fan" : "room",
    clientMsgId: maybeText(row, "client_msg_id"),
  };
}

/** The last that was stored. */
export function newestMessage(db: DatabaseSync): Stored | undefined {
  const select = db.prepare(`SELECT ${NUMBER_COLUMNS} FROM messages ORDER BY id DESC LIMIT 1`);
  select.setReadBigInts(true);
  const row = select.get();
  return row && storedOf(row);
}
