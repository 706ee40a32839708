/** What came of asking for a lease. */
export type Claim =
  /** The holder had it, and has it longer now. */
  | "kept"
  /** Nobody had it: it is new, had lapsed, or the store lost it. */
  | "made"
  /** Another holder has it. */
  | "taken";

/** Names that processes hold for a time, and lose when they do not ask again. */
export interface Leases {
  /** Holds `name` for `ttlMs` from now on. @throws {ImError} SYSTEM: unknown, the store is out of reach. */
  claim(name: string, holder: string, ttlMs: number): Promise<Claim>;
  /** Gives it back; changes nothing when another holder has it. */
  release(name: string, holder: string): Promise<void>;
}

/** The lease of one gateway's run: while it is held, sessions of that incarnation count. */
export function gatewayLease(incarnation: string): string {
  return `gate:${incarnation}`;
}

/**
 * How long a gateway's lease lasts, and how often it is renewed, in ms. Others may remember for a second that it is held,
 * so the sessions of a dead gateway are gone after 10 s.
 */
export const GATEWAY_LEASE = { ttlMs: 9_000, everyMs: 3_000 } as const;
