/**
 * The faults a history can show. A *reading* is an inbox event, or everything one connection showed on its screen.
 * A message was *acked* when an attempt to send it was answered with status 0. Its *allowed copies* are the attempts
 * that were not refused (answered with another status), those of one client message id (`key`) counted once.
 *
 * - **lost**: an acked message that is missing from a whole inbox reading of one of its receivers, begun after the
 *   answer; or, if a receiver's inbox was never read whole but it was online, from all its screens; or that is missing
 *   from the sender's own copies in a whole reading by "sync".
 * - **twice**: one message id, or one body id more often than its allowed copies, in one reading; or one body id under
 *   more message ids than its allowed copies, anywhere (stored twice).
 * - **order**: two acked messages, each sent once, on one channel, that stand in another order in a reading. Messages to a
 *   large group count by themselves.
 * - **phantom**: in a reading stands a body id that nobody sent, that was only ever refused, that was for somebody
 *   else, under another sender's name, or with another message id than its answer said.
 * - **hole**: a whole reading whose positions are not 1, 2, 3…
 *
 * **Unknown** is no fault: an attempt without an answer. It may be stored once, or not at all.
 */
export const FAULTS = ["lost", "twice", "order", "phantom", "hole"] as const;
export type Fault = (typeof FAULTS)[number];

/** How many, and the first few in words. */
export interface FaultList {
  count: number;
  readonly examples: string[];
}

/** What a history was found to be. */
export interface Verdict {
  /** Nothing wrong. */
  readonly clean: boolean;
  readonly faults: Readonly<Record<Fault, FaultList>>;
  readonly attempts: number;
  readonly acked: number;
  readonly refused: number;
  /** Attempts without an answer: found somewhere, and found nowhere. */
  readonly unknownStored: number;
  readonly unknownNotStored: number;
  /** Acked messages whose receiver was neither online nor had its inbox read: nothing can be said. */
  readonly unjudged: number;
  readonly readings: number;
}

/** The verdict in lines for people. */
export function verdictLines(verdict: Verdict): string[] {
  const { attempts, acked, refused, unknownStored, unknownNotStored, unjudged, readings } = verdict;
  const lines = [
    `${attempts} sends: ${acked} acked, ${refused} refused, ${unknownStored + unknownNotStored} unknown ` +
    `(${unknownStored} stored, ${unknownNotStored} not); ${readings} readings` +
    (unjudged > 0 ? `; ${unjudged} not judged: their receiver was never online and never read` : ""),
  ];
  for (const name of FAULTS) {
    const { count, examples } = verdict.faults[name];
    lines.push(`${name.padEnd(8)} ${count}`);
    for (const example of examples) lines.push(`  ${example}`);
    if (count > examples.length) lines.push(`  … and ${count - examples.length} more`);
  }
  return lines;
}

/** Verdicts of several rounds as one. */
export function addedUp(verdicts: readonly Verdict[]): Verdict {
  const sum = (value: (one: Verdict) => number) => verdicts.reduce((total, one) => total + value(one), 0);
  const faults = Object.fromEntries(FAULTS.map((name) => [name, {
    count: sum((one) => one.faults[name].count),
    examples: verdicts.flatMap((one) => one.faults[name].examples).slice(0, 20),
  }])) as unknown as Verdict["faults"];
  return {
    clean: verdicts.every(({ clean }) => clean),
    faults,
    attempts: sum((one) => one.attempts),
    acked: sum((one) => one.acked),
    refused: sum((one) => one.refused),
    unknownStored: sum((one) => one.unknownStored),
    unknownNotStored: sum((one) => one.unknownNotStored),
    unjudged: sum((one) => one.unjudged),
    readings: sum((one) => one.readings),
  };
}
