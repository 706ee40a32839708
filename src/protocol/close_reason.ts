/**
 * Why a connection ended. On WebSocket: the close code and text of RFC 6455 section 7.4; on TCP: the text.
 * `reconnect` is what an SDK obeys. Source: proto/WIRE.md "Close codes".
 */
export interface CloseReason {
  readonly code: number;
  readonly reason: string;
  readonly reconnect: boolean;
}

/** 1000–1013 are RFC codes; 4000–4499 say "reconnect", 4500–4999 say "do not". */
export const CLOSE = {
  NORMAL: { code: 1000, reason: "bye", reconnect: false },
  /** The peer closed or vanished; nothing is sent for it. */
  GONE: { code: 1006, reason: "peer gone", reconnect: true },
  PROTOCOL: { code: 1002, reason: "protocol error", reconnect: false },
  BAD_DATA: { code: 1003, reason: "not a packet", reconnect: false },
  BAD_TEXT: { code: 1007, reason: "invalid text", reconnect: false },
  TOO_LARGE: { code: 1009, reason: "too large", reconnect: false },
  INTERNAL: { code: 1011, reason: "internal error", reconnect: true },
  SHUTDOWN: { code: 4001, reason: "shutdown", reconnect: true },
  /** Nothing was received for two minutes. */
  IDLE: { code: 4002, reason: "idle", reconnect: true },
  /** The gateway lost its lease; its sessions may be elsewhere. */
  FENCED: { code: 4003, reason: "fenced", reconnect: true },
  OVERLOAD: { code: 4004, reason: "overload", reconnect: true },
  /** The login could not be answered in time. */
  LOGIN_FAILED: { code: 4005, reason: "login failed", reconnect: true },
  /** Waiting bytes passed the limit, or waited too long. */
  SLOW: { code: 4008, reason: "slow", reconnect: true },
  KICKED: { code: 4501, reason: "kicked", reconnect: false },
  UNAUTHORIZED: { code: 4502, reason: "unauthorized", reconnect: false },
  TOKEN_EXPIRED: { code: 4503, reason: "token expired", reconnect: false },
  SIGNED_OUT: { code: 4504, reason: "signed out", reconnect: false },
  LOGIN_TIMEOUT: { code: 4505, reason: "login timeout", reconnect: false },
  NOT_LOGIN: { code: 4506, reason: "first packet is not a login", reconnect: false },
  /** 200 refusals in 10 s. */
  RATE: { code: 4507, reason: "rate", reconnect: false },
  /** The token, or the account for a time, is let in no more. */
  REVOKED: { code: 4508, reason: "revoked", reconnect: false },
} as const satisfies Record<string, CloseReason>;

/** The name of a row. */
export type CloseName = keyof typeof CLOSE;
