import { reasonOf } from "../base/errors.ts";
import type { LogFields } from "../base/logger.ts";

/** How deep objects are shown; what lies deeper is told by its kind. */
const DEPTH = 4;

/**
 * Fields as JSON can carry them: bigint as a decimal string, an error as code, message, stack and cause, a Map or Set
 * as object or array, bytes by their number. Never throws, whatever is in there.
 */
export function plainFields(fields: LogFields): Record<string, unknown> {
  return plainObject(Object.entries(fields), DEPTH);
}

function plain(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "bigint":
      return value.toString();
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "symbol":
    case "function":
      return `[${typeof value}]`;
    case "object":
      return value === null ? null : plainInside(value, depth);
    default:
      return value;
  }
}

function plainInside(value: object, depth: number): unknown {
  try {
    if (depth === 0) return `[${value.constructor?.name ?? "Object"}]`;
    if (value instanceof Error) return plainError(value, depth - 1);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
    if (value instanceof Map) return plainObject([...value].map(([key, item]) => [String(key), item]), depth - 1);
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
    if (Array.isArray(value) || value instanceof Set) return [...value].map((item) => plain(item, depth - 1));
    return plainObject(Object.entries(value), depth - 1);
  } catch (error) {
    return `[${reasonOf(error)}]`; // a getter threw
  }
}

function plainObject(entries: readonly (readonly [string, unknown])[], depth: number): Record<string, unknown> {
  return Object.fromEntries(entries.map(([key, value]) => [key, plain(value, depth)]));
}

function plainError(error: Error, depth: number): Record<string, unknown> {
  return {
    ...("code" in error ? { code: plain(error.code, depth) } : {}),
    message: error.message,
    stack: error.stack,
    ...(error.cause === undefined ? {} : { cause: depth === 0 ? String(error.cause) : plain(error.cause, depth) }),
  };
}
