import type { Clock } from "./clock.ts";

export interface RepeatsOptions {
  /** Of one kind, in one window. */
  readonly most: number;
  readonly windowMs: number;
  /** That are remembered; with more, all are forgotten and begin anew. */
  readonly kinds: number;
}

interface Kind {
  sinceMs: number;
  passed: number;
  leftOut: number;
}

/** Of what comes again and again, a log line say, lets only the first few of each kind pass in a window of time. */
export class Repeats {
  readonly #clock: Pick<Clock, "mono">;
  readonly #options: RepeatsOptions;
  readonly #kinds = new Map<string, Kind>();

  constructor(clock: Pick<Clock, "mono">, options: RepeatsOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** How many of the kind were left out since the last one that passed; undefined: so is this one. */
  pass(name: string): number | undefined {
    const { most, windowMs, kinds } = this.#options;
    const now = this.#clock.mono();
    let kind = this.#kinds.get(name);
    if (kind === undefined) {
      if (this.#kinds.size >= kinds) this.forget();
      this.#kinds.set(name, kind = { sinceMs: now, passed: 0, leftOut: 0 });
    }
    if (now - kind.sinceMs >= windowMs) {
      kind.sinceMs = now;
      kind.passed = 0;
    }
    if (kind.passed >= most) {
      kind.leftOut++;
      return undefined;
    }
    kind.passed++;
    const { leftOut } = kind;
    kind.leftOut = 0;
    return leftOut;
  }

  /** What comes next is the first of its kind. */
  forget(): void {
    this.#kinds.clear();
  }
}
