import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new empty directory; disposing removes it with everything in it. Use with `await using`. */
export interface TempDir extends AsyncDisposable {
  readonly path: string;
  /** The path of a name inside it. */
  in(...names: string[]): string;
}

export async function tempDir(): Promise<TempDir> {
  const path = await mkdtemp(join(tmpdir(), "petrel-"));
  return {
    path,
    in: (...names) => join(path, ...names),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }),
  };
}
