import type { ImStore } from "../../../message/message_store.ts";

/** Work that is done one after the other for each name, side by side for different names. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const mine = (this.#last.get(name) ?? Promise.resolve()).then(work, work);
    this.#last.set(name, mine);
    const end = () => {
      if (this.#last.get(name) === mine) this.#last.delete(name);
    };
    mine.then(end, end);
    return mine;
  }
}

const turns = new WeakMap<ImStore, Turns>();

/**
 * Changes of one account's membership in one group, in a process: each is committed and told to the gateways before the
 * next begins, so gateways hear of them in the order of the store.
 */
export function inTurn<T>(
  store: ImStore,
  member: { readonly app: string; readonly groupId: string; readonly account: string },
  work: () => Promise<T>,
): Promise<T> {
  let found = turns.get(store);
  if (!found) turns.set(store, found = new Turns());
  return found.run(`${member.app}/${member.groupId}/${member.account}`, work);
}
