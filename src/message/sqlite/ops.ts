import { ImError } from "../../base/errors.ts";
import type { Peer } from "../conversation_store.ts";
import type { RequestKey } from "../message_store.ts";

/**
 * What the writer does besides appends and acks. Rare against those, so they travel as JSON, and so do their answers.
 * `late`: may only be answered from memory, not done any more.
 */
export type Op = CreateOp | ChangeOp | MakeRowsOp | ReadOp | RemoveOp;

export interface CreateOp {
  readonly do: "create";
  readonly app: string;
  readonly owner: string;
  readonly name: string;
  readonly avatar: string;
  readonly introduction: string;
  readonly members: readonly string[];
  readonly key?: RequestKey | undefined;
  readonly again?: boolean | undefined;
  readonly late: boolean;
}

export interface ChangeOp {
  readonly do: "join" | "quit";
  readonly app: string;
  readonly group: string;
  readonly accounts: readonly string[];
  readonly by: string | undefined;
  readonly key?: RequestKey | undefined;
  readonly again?: boolean | undefined;
  readonly late: boolean;
}

/** Answer: MadeRows of each account. */
export interface MakeRowsOp {
  readonly do: "make rows";
  readonly app: string;
  readonly accounts: readonly string[];
  /** Unix ns, in decimal. */
  readonly since: string;
  readonly most: number;
  readonly late: false;
}

/** Answer: the read position. */
export interface ReadOp {
  readonly do: "read";
  readonly app: string;
  readonly account: string;
  readonly peer: Peer;
  readonly seq: number;
  readonly late: false;
}

/** Answer: how many were removed. */
export interface RemoveOp {
  readonly do: "remove";
  /** Unix ns, in decimal. */
  readonly before: string;
  readonly most: number;
  readonly late: false;
}

/** Rows that an op writes, about, beside those that it counts itself. */
export function rowsOf(op: Op): number {
  if (op.do === "create") return 4 * op.members.length;
  return op.do === "join" || op.do === "quit" ? 4 * op.accounts.length : 0;
}

/** How much of a job an op takes, where a message takes 1. Removal is alone in its transaction. */
export function shareOf(op: Op): number {
  if (op.do === "remove") return Infinity;
  return 1 + (op.do === "make rows" ? 4 * op.accounts.length : rowsOf(op) / 16);
}

/** What an op did, unless it was refused. */
export interface Done {
  readonly done: unknown;
}

export function done(value: unknown): Done | ImError {
  return value instanceof ImError ? value : { done: value };
}

/** The answer to a request that made a group before. */
export function created(id: string, { owner, members }: CreateOp): Done {
  return { done: { id, members: [...new Set([owner, ...members])] } };
}
