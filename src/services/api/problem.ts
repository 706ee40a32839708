import type { Context } from "hono";
import { ImError } from "../../base/errors.ts";

/** What a caller is told: `{code, message}` with this status. */
export const PROBLEMS = {
  INVALID_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  QUOTA: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  DUPLICATE_ID: 409,
  TOO_LARGE: 413,
  UNSUPPORTED_TYPE: 415,
  SYSTEM: 500,
  NOT_IMPLEMENTED: 501,
  BUSY: 503,
  TIMEOUT: 504,
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** Our errors under the names callers know; all others are SYSTEM. */
const CODES: Readonly<Partial<Record<ImError["code"], ProblemCode>>> = {
  INVALID_BODY: "INVALID_REQUEST",
  BODY_INVALID: "INVALID_REQUEST",
  NO_DESTINATION: "NOT_FOUND",
  UNAUTHORIZED: "FORBIDDEN",
  DUPLICATE_ID: "DUPLICATE_ID",
  QUOTA: "QUOTA",
  FRAME_TOO_LARGE: "TOO_LARGE",
  NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
  BUSY: "BUSY",
  CLOSED: "BUSY",
  TIMEOUT: "TIMEOUT",
};

export function problem(
  c: Context,
  code: ProblemCode,
  message: string,
  headers: Record<string, string> = {},
): Response {
  const status = PROBLEMS[code];
  return c.json({ code, message }, status, status === 503 ? { "retry-after": "1", ...headers } : headers);
}

/** The code for whatever was thrown. */
export function codeOf(thrown: unknown): ProblemCode {
  return thrown instanceof ImError ? CODES[thrown.code] ?? "SYSTEM" : "SYSTEM";
}
