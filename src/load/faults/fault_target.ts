/** One server that faults are done to. What it cannot do is absent. */
export interface FaultTarget {
  /** Names it in the log of a run: `logic01`. */
  readonly name: string;
  /** Targets of one role stand for each other: `gateway`, `logic`, `redis`. */
  readonly role: string;
  /** At once, without a word. Resolves when it is gone. */
  kill?(): Promise<void>;
  /** After `kill`. Resolves when it serves again. @throws {Error} it does not. */
  start?(): Promise<void>;
  /** Stopped in its tracks, and on again. */
  pause?(): Promise<void>;
  resume?(): Promise<void>;
  /** Everything it keeps is gone; it goes on. */
  flush?(): Promise<void>;
  /** Its wall clock is off by so much from now on. */
  shiftClock?(ms: number): Promise<void>;
  /** Gracefully replaced by another one. Resolves when the old one is gone. */
  restart?(): Promise<void>;
  /** Its link is cut, and whole again. */
  cut?(): Promise<void>;
  heal?(): Promise<void>;
}

/** The roles whose targets can all do this. */
export function rolesThat(targets: readonly FaultTarget[], can: keyof FaultTarget): string[] {
  return [...new Set(targets.filter((one) => one[can] !== undefined).map(({ role }) => role))].sort();
}

/** The target of a role that a number from 0 up to 1 picks. @throws {Error} there is none. */
export function pickTarget(
  targets: readonly FaultTarget[],
  role: string,
  can: keyof FaultTarget,
  pick: number,
): FaultTarget {
  const fitting = targets.filter((one) => one.role === role && one[can] !== undefined);
  const found = fitting[Math.floor(pick * fitting.length)];
  if (found === undefined) throw new Error(`Cannot do ${can} to ${role}: no such target`);
  return found;
}

/** @throws {Error} there is none. */
export function targetNamed(targets: readonly FaultTarget[], name: string): FaultTarget {
  const found = targets.find((one) => one.name === name);
  if (found === undefined) throw new Error(`Cannot find a target called ${name}`);
  return found;
}
