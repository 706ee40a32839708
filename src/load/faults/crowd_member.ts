import type { HistoryEvent } from "../history.ts";

/** What a client of a fault run tells those who watch it. */
export interface Watcher {
  /** For the checker. */
  record(event: HistoryEvent): void;
  /** A send that was made at `sentMs` was answered with Success now. */
  acked(member: CrowdMember, sentMs: number): void;
  /** A message appeared for the first time on this member's screen, on a live connection. */
  shown(member: CrowdMember, id: string): void;
  /** A connection that was logged in is gone. */
  lost(member: CrowdMember, why: string): void;
}

/** Where a message goes. */
export interface Destination {
  /** Account or group id. */
  readonly dest: string;
  /** Members of the group who get it; absent: one account. */
  readonly to?: readonly string[];
  /** A large group. */
  readonly apart?: boolean;
}

/** A message on a screen. */
export interface ShownMessage {
  readonly messageId: string;
  /** Body id; "" where only the index was read. */
  readonly id: string;
  /** Which connection showed it; numbers that grow. Ours: 0, its screen is one for all connections. */
  readonly conn: number;
  /** Its position in the inbox, when the client was told it. */
  readonly pos: number;
  /** The large group it belongs to, and its number there; "" for all others. */
  readonly room: string;
  readonly seq: number;
}

/** A client of a fault run: online all the time, as far as it can. */
export interface CrowdMember {
  readonly account: string;
  readonly old: boolean;
  readonly online: boolean;
  /** Everything it showed, in that order. */
  readonly screen: readonly ShownMessage[];
  /** Sends without an answer yet. */
  readonly waiting: number;
  readonly logins: number;
  /** Sends that failed for good, by why. Of old clients: those that were refused. */
  readonly failures: ReadonlyMap<string, number>;
  /** Why it will never be online again; "": it will. */
  readonly closed: string;
  /** Resolves at the first login. */
  start(): Promise<void>;
  /** Says something, unless it cannot now: false. */
  talk(to: Destination, id: string): boolean;
  close(): Promise<void>;
}

let attempts = 0;

/** The next number of an attempt to send; unique in a process. */
export function nextAttempt(): number {
  return ++attempts;
}
