import type { AppendRequest } from "../message_store.ts";
import { ints } from "./arrays.ts";
import type { Tx } from "./database.ts";
import type { Scopes } from "./scopes.ts";

/**
 * Requests that come again, were refused before, and are not known, while later ones of their channel are stored: now they
 * would be out of order. A scope may serve many accounts, each has its own order.
 */
export class Overtaken {
  readonly #scopes: Scopes;
  /** App and account of messages that may have overtaken one of these. */
  readonly #senders = new Map<bigint, string>();

  private constructor(scopes: Scopes) {
    this.#scopes = scopes;
  }

  static async read(tx: Tx, batch: readonly AppendRequest[], scopes: Scopes): Promise<Overtaken> {
    const overtaken = new Overtaken(scopes);
    const later = batch.flatMap(({ again, key }) => again && key && !scopes.find(key, "") ? scopes.after(key) : []);
    if (later.length === 0) return overtaken;
    const rows = await tx<{ id: bigint; app: string; name: string }[]>`
      SELECT m.id, l.app, l.name FROM messages m JOIN logs l ON l.id = m.sender WHERE m.id = ANY(${
      ints(later)
    }::int8[])`;
    for (const { id, app, name } of rows) overtaken.#senders.set(id, senderOf({ app, sender: name }));
    return overtaken;
  }

  /** @param fresh messages of this transaction. */
  has(request: AppendRequest, fresh: ReadonlyMap<bigint, { readonly request: AppendRequest }>): boolean {
    if (!request.again || !request.key) return false;
    const sender = senderOf(request);
    return this.#scopes.after(request.key).some((id) => {
      const one = fresh.get(id);
      return (one ? senderOf(one.request) : this.#senders.get(id)) === sender;
    });
  }
}

function senderOf({ app, sender }: Pick<AppendRequest, "app" | "sender">): string {
  return `${app}/${sender}`;
}
