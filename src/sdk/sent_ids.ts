import type { SavedPosition } from "./storage.ts";

/** Runs of the client that are remembered: the last ones that had an answer. */
const RUNS = 16;
/** Stretches of numbers per run. What waits, or failed, between the first two counts as answered when there are more. */
const STRETCHES = 64;

type SavedIds = NonNullable<SavedPosition["sent"]>;

/**
 * Which messages of ours the server has answered, by client message id (`prefix-number`, `random.ts`). However many they
 * are it stays small, as the inbox may be far behind what is said, or stand still for good because nobody listens.
 */
export class SentIds {
  readonly #runs = new Map<string, number[]>();

  /** What a storage keeps; undefined: nothing. */
  get saved(): SavedIds | undefined {
    if (this.#runs.size === 0) return undefined;
    return Object.fromEntries(Array.from(this.#runs, ([run, stretches]) => [run, [...stretches]]));
  }

  /** What an earlier run saved. */
  restore(saved: SavedIds): void {
    for (const [run, stretches] of Object.entries(saved)) this.#runs.set(run, [...stretches]);
  }

  has(id: string): boolean {
    const { run, number } = parse(id);
    const stretches = this.#runs.get(run) ?? [];
    const at = after(stretches, number);
    return at > 0 && number <= stretches[at - 1]!;
  }

  add(id: string): void {
    const { run, number } = parse(id);
    const stretches = this.#runs.get(run) ?? [];
    this.#runs.delete(run);
    this.#runs.set(run, stretches);
    include(stretches, number);
    if (stretches.length > 2 * STRETCHES) stretches.splice(1, 2);
    if (this.#runs.size > RUNS) { for (const oldest of this.#runs.keys()) return void this.#runs.delete(oldest); }
  }
}

function parse(id: string): { readonly run: string; readonly number: number } {
  const [, run = id, number = "0"] = /^(.+)-([0-9a-z]{1,10})$/.exec(id) ?? [];
  return { run, number: parseInt(number, 36) };
}

/** Where the first stretch begins that is above `number`. */
function after(stretches: readonly number[], number: number): number {
  let at = stretches.length;
  while (at > 0 && stretches[at - 2]! > number) at -= 2;
  return at;
}

function include(stretches: number[], number: number): void {
  const at = after(stretches, number);
  if (at > 0 && number <= stretches[at - 1]!) return;
  stretches.splice(at, 0, number, number);
  if (stretches[at + 2] === number + 1) stretches.splice(at + 1, 2);
  if (at > 0 && stretches[at - 1] === number - 1) stretches.splice(at - 1, 2);
}
