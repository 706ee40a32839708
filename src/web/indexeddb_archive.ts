import { type Archive, type Archived, MOST } from "./archive.ts";
import type { ConversationKey } from "./conversation.ts";
import { type Entry, merged } from "./entry.ts";
import type { GroupFacts } from "./group_facts.ts";

const ENTRIES = "entries";
const BY_TIME = "timeMs";
const READ = "read";
const GROUPS = "groups";

/** One database per account: `entries` by key, `read` and `groups` by conversation. */
export class IndexedDbArchive implements Archive {
  readonly #name: string;
  #opened: Promise<IDBDatabase> | undefined;

  constructor(account: string) {
    this.#name = `petrel-page:${account}`;
  }

  async load(): Promise<Archived> {
    const tx = (await this.#open()).transaction([ENTRIES, READ, GROUPS], "readwrite", { durability: "relaxed" });
    const entries = tx.objectStore(ENTRIES);
    const read = tx.objectStore(READ);
    const [all, keys, seqs, groups] = await Promise.all([
      result<Entry[]>(entries.index(BY_TIME).getAll()),
      result<IDBValidKey[]>(read.getAllKeys()),
      result<number[]>(read.getAll()),
      result<GroupFacts[]>(tx.objectStore(GROUPS).getAll()),
    ]);
    const tooMany = Math.max(0, all.length - MOST);
    for (const { key, state } of all.slice(0, tooMany)) if (state !== "sending") entries.delete(key);
    await done(tx);
    return { entries: all.slice(tooMany), read: keys.map((key, i) => [String(key), seqs[i] ?? 0]), groups };
  }

  put(...entries: Entry[]): Promise<void> {
    return this.#change(ENTRIES, async (store) => {
      await Promise.all(entries.map(async (entry) => {
        const old = await result<Entry | undefined>(store.get(entry.key));
        const now = merged(old, entry);
        if (now !== old) store.put(now);
      }));
    });
  }

  drop(key: string): Promise<void> {
    return this.#change(ENTRIES, (store) => void store.delete(key));
  }

  read(key: ConversationKey, seq: number): Promise<void> {
    return this.#change(READ, async (store) => {
      const old = await result<number | undefined>(store.get(key));
      if (seq > (old ?? 0)) store.put(seq, key);
    });
  }

  group(facts: GroupFacts): Promise<void> {
    return this.#change(GROUPS, (store) => void store.put(facts));
  }

  async #change(name: string, change: (store: IDBObjectStore) => void | Promise<void>): Promise<void> {
    const tx = (await this.#open()).transaction(name, "readwrite", { durability: "relaxed" });
    const finished = done(tx);
    await Promise.all([change(tx.objectStore(name)), finished]);
  }

  #open(): Promise<IDBDatabase> {
    return this.#opened ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(this.#name, 2);
      request.onupgradeneeded = ({ oldVersion }) => {
        if (oldVersion < 1) {
          request.result.createObjectStore(ENTRIES, { keyPath: "key" }).createIndex(BY_TIME, "timeMs");
          request.result.createObjectStore(READ);
        }
        request.result.createObjectStore(GROUPS, { keyPath: "key" });
      };
      request.onsuccess = () => {
        const db = request.result;
        // The browser closes it when its storage is cleared: the next call opens it anew.
        db.onclose = () => this.#opened = undefined;
        db.onversionchange = () => db.close();
        resolve(db);
      };
      request.onerror = () => reject(request.error);
    });
  }
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function done(tx: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    tx.oncomplete = () => resolve();
    tx.onabort = () => reject(tx.error);
    tx.onerror = () => reject(tx.error);
  });
}
