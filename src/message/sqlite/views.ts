import type { Direction, Head } from "../message_store.ts";

export const NO_HEAD: Head = { pos: 0, epoch: "0" };

/** A row as `entries` has it: logs as numbers. */
export interface Entry {
  readonly pos: number;
  readonly message: bigint;
  readonly direction: Direction;
  readonly peer: number;
  readonly group: number | undefined;
  readonly sendTime: bigint;
}

/** A row that waits in the writer's memory. */
export interface WaitingEntry extends Entry {
  readonly conversation: number;
  /** In the conversation. */
  readonly seq: number;
}

/** What the reader needs of a log: rows up to `written` are in the database, `tail` has those above. */
export interface View {
  readonly id: number;
  readonly epoch: string;
  readonly trimmed: number;
  readonly written: number;
  readonly head: number;
  /** Rows above `written` that are in the range asked for, filtered, at most `limit`. */
  readonly tail: readonly WaitingEntry[];
}

/** The end of a conversation's log that waits in the writer's memory. */
export interface Last {
  readonly head: number;
  readonly message: bigint;
  /** The last waiting message there that the account sent, 0 for none. */
  readonly own: number;
  /** The waiting message at `Place.earlier`. */
  readonly earlier: bigint | undefined;
}

/** A conversation of an account, and in a group that it joined again the last seq it saw before; else 0. */
export interface Place {
  readonly conversation: number;
  readonly earlier: number;
}

/** A head, with `trimmed` where there is something to say. */
export function headFrom(pos: number, trimmed: number, epoch: string): Head {
  return trimmed > 0 ? { pos, trimmed, epoch } : { pos, epoch };
}
