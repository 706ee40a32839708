import { ImError } from "../base/errors.ts";
import type { Script } from "./script.ts";

/** What Redis is asked. */
export type Command =
  | { readonly script: Script; readonly keys: readonly string[]; readonly args: readonly (string | number)[] }
  | { readonly mget: readonly string[] }
  | { readonly hget: readonly [key: string, field: string] }
  | { readonly ping: true };

/** A question, and what its answer means. */
export interface Question<T> {
  /** For people: `find sessions`. */
  readonly what: string;
  /**
   * Makes the command when it is sent, so that what came up meanwhile can be in it. `attempt` is 0 at first; later an earlier
   * one may have been carried out.
   */
  readonly command: (attempt: number) => Command;
  /** May it be asked again when it is unknown what became of it? */
  readonly repeat: boolean;
  /** Reads the result; undefined: it cannot be one. */
  readonly read: (result: unknown) => T | undefined;
}

/** Why a question has no answer. */
export function failure({ what }: Question<unknown>, why: string): ImError {
  return new ImError("SYSTEM", `Cannot ${what}: ${why}`);
}
