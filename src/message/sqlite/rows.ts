import { Buffer } from "node:buffer";
import type { SQLOutputValue } from "node:sqlite";

/** A row as node:sqlite gives it. */
export type Row = Record<string, SQLOutputValue>;

/** A column that is a number or a big integer within 2^53. */
export function int(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  throw wrong(column, value);
}

/** A column of a statement that reads big integers. */
export function big(row: Row, column: string): bigint {
  const value = row[column];
  if (typeof value === "bigint") return value;
  throw wrong(column, value);
}

/** A text column, selected with `whole` when people choose what is in it. */
export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString("utf8");
  throw wrong(column, value);
}

/** A text column that may be NULL. */
export function maybeText(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}

/** A column of bytes; undefined for NULL. */
export function maybeBytes(row: Row, column: string): Uint8Array | undefined {
  const value = row[column];
  if (value === null) return undefined;
  if (value instanceof Uint8Array) return value;
  throw wrong(column, value);
}

/** SQL for a text column as bytes: Deno's node:sqlite cuts a text it reads at the first NUL. */
export function whole(column: string): string {
  return `CAST(${column} AS BLOB) AS ${column}`;
}

/** SQL for where a message is, and for what it says. */
export const NUMBER_COLUMNS = "id, conversation, seq, sender, sender_pos, receiver, receiver_pos, send_time, " +
  `fan IS NOT NULL AS fanned, ${whole("client_msg_id")}`;
export const MESSAGE_COLUMNS = `${NUMBER_COLUMNS}, type, ${whole("body")}, ${whole("extra")}`;

function wrong(column: string, value: unknown): Error {
  return new TypeError(`Cannot read column ${column}: it is ${typeof value}`);
}
