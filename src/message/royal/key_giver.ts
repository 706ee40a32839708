import type { RequestKey } from "../message_store.ts";

/**
 * Keys for requests that came without one, so that each can be asked again safely: one scope per client of the store,
 * `low` is the oldest that has no answer yet.
 */
export class KeyGiver {
  readonly #scope = `store-${crypto.randomUUID()}`;
  readonly #open = new Set<number>();
  #next = 1;

  /** The same requests, each with a key. */
  give<T extends { readonly key?: RequestKey | undefined }>(requests: readonly T[]): T[] {
    return requests.map((one) => {
      if (one.key) return one;
      const n = this.#next++;
      this.#open.add(n);
      return { ...one, key: { scope: this.#scope, n, low: Math.min(n, ...this.#open) } };
    });
  }

  /** They will not be asked again. */
  answered(requests: readonly { readonly key?: RequestKey | undefined }[]): void {
    for (const { key } of requests) if (key?.scope === this.#scope) this.#open.delete(key.n);
  }
}
