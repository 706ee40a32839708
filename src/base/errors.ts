/** Codes a peer can see (the names of protocol/status.ts), the codecs' own, and what a client's storage fails with. */
export type ErrorCode =
  /** A message to nobody. */
  | "NO_DESTINATION"
  /** Too long, no legal name, no such group, or nonsense. */
  | "INVALID_BODY"
  /** The same client message id was used for another content. */
  | "DUPLICATE_ID"
  | "INVALID_COMMAND"
  /** The token is not taken, or only members may. */
  | "UNAUTHORIZED"
  /** Too many: waiting does not help. */
  | "QUOTA"
  /** Something failed at the server: not stored. */
  | "SYSTEM"
  | "NOT_IMPLEMENTED"
  /** Too much at once: not stored, later it may be. */
  | "BUSY"
  | "SESSION_LOST"
  | "FRAME_TOO_LARGE"
  | "FRAME_INVALID"
  | "BAD_MAGIC"
  | "PACKET_TRUNCATED"
  | "HEADER_TOO_LARGE"
  | "HEADER_INVALID"
  | "BODY_INVALID"
  /** An option or a setting is wrong. */
  | "CONFIG"
  /** The client, or the connection, was closed first. */
  | "CLOSED"
  /** There was no answer in time. */
  | "TIMEOUT"
  /** There is no such storage here. */
  | "STORAGE_MISSING"
  /** The browser or the user does not allow it. */
  | "STORAGE_DENIED"
  /** The disk or the quota is full. */
  | "STORAGE_FULL"
  /** Another page keeps an older version of it open. */
  | "STORAGE_BLOCKED"
  /** It was deleted while in use. */
  | "STORAGE_LOST"
  /** A client that came later uses it now. */
  | "STORAGE_TAKEN"
  | "STORAGE_FAILED";

/** The one error class. Switch on `code`; `message` is for people and may change; `cause` never leaves the process. */
export class ImError extends Error {
  override readonly name = "ImError";
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** Anything that was thrown, as an ImError: itself, or SYSTEM with the original as `cause`. */
  static from(thrown: unknown, message = "Internal error"): ImError {
    return thrown instanceof ImError ? thrown : new ImError("SYSTEM", message, { cause: thrown });
  }
}

/** What anything that was thrown says of itself, for people. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
