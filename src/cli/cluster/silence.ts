import { type Clock, sleep } from "../../base/clock.ts";
import type { Child } from "./child.ts";

/** Questions in the time that a process may be silent. Whoever is slow with one of them does not hang. */
const QUESTIONS = 4;

export interface SilenceOptions {
  readonly clock: Clock;
  /** For so long it may answer nothing. */
  readonly mostMs: number;
  /** And for so long at first, if that is more. */
  readonly startMs: number;
}

/**
 * Asks a process again and again; true once it has answered nothing for too long, false when it ended. Any answer will do:
 * one that lacks something else is alive. Counts unanswered questions, so time that we stood still is not held against it.
 */
export async function fellSilent(
  child: Pick<Child, "answers" | "isOver">,
  { clock, mostMs, startMs }: SilenceOptions,
): Promise<boolean> {
  const eachMs = mostMs / QUESTIONS;
  let left = Math.max(QUESTIONS, Math.ceil(startMs / eachMs));
  while (!child.isOver) {
    if (left === 0) return true;
    const [answered] = await Promise.all([child.answers(eachMs), sleep(clock, eachMs)]);
    left = answered ? QUESTIONS : left - 1;
  }
  return false;
}
