import { IndexedDbStorage } from "./indexed_db_storage.ts";
import type { ClientOptions } from "./options.ts";
import { type ClientStorage, MemoryStorage } from "./storage.ts";
import { tokenClaims } from "./token_claims.ts";

/**
 * The storage of a client that was given none: IndexedDB where there is one, else memory. The name holds the server
 * and the account, so that no message ever leaves for another one. The account is the token's word, which only the
 * server can check; a token that names nobody gets memory.
 */
export function defaultStorage({ url, device = "" }: ClientOptions, token: string): ClientStorage {
  const owner = ownerOf(token);
  if (!owner || !("indexedDB" in globalThis)) return new MemoryStorage();
  const first = typeof url === "object" ? url[0] : url;
  const server = typeof first === "string" ? new URL(first).host : "";
  return new IndexedDbStorage(`petrel/${server}/${owner}/${device}`);
}

/** `app/account` of a token. */
function ownerOf(token: string): string | undefined {
  const { app, acc } = tokenClaims(token);
  return typeof app === "string" && typeof acc === "string" ? `${app}/${acc}` : undefined;
}
