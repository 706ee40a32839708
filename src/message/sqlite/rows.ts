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

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === "string") return value;
  throw wrong(column, value);
}

/** A text column that may be NULL. */
export function maybeText(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}

function wrong(column: string, value: unknown): Error {
  return new TypeError(`Cannot read column ${column}: it is ${typeof value}`);
}
