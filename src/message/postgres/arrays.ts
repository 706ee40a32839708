/**
 * PostgreSQL array literals, sent as text and cast in the statement (`${ints(ids)}::int8[]`): one parameter per column
 * whatever the number of rows, so that every batch uses the same prepared statements.
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Numbers, big or not; undefined becomes NULL. */
export function ints(values: readonly (number | bigint | undefined)[]): string {
  return `{${values.map((value) => value ?? "NULL").join(",")}}`;
}

/** Texts without NUL, which PostgreSQL does not take. */
export function texts(values: readonly string[]): string {
  return `{${values.map((value) => `"${value.replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
}

/** Any text as its UTF-8 bytes (`bytea`); undefined becomes NULL. */
export function utf8s(values: readonly (string | undefined)[]): string {
  return blobs(values.map((value) => value === undefined ? undefined : encoder.encode(value)));
}

/** Bytes (`bytea`); undefined becomes NULL. */
export function blobs(values: readonly (Uint8Array | undefined)[]): string {
  return `{${values.map((value) => value ? `"\\\\x${value.toHex()}"` : "NULL").join(",")}}`;
}

/** The text of a `bytea` column that `utf8s` wrote. */
export function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The same of a column that may be NULL. */
export function maybeTextOf(bytes: Uint8Array | null): string | undefined {
  return bytes === null ? undefined : textOf(bytes);
}
