import { type ErrorCode, ImError } from "../base/errors.ts";
import type { Database, Databases, Request, Store, Transaction } from "./indexed_db.ts";
import { idMaker, random } from "./random.ts";
import type { ClientStorage, Saved, SavedMessage, SavedPosition } from "./storage.ts";

const VERSION = 1;
/** Two rows by name: POSITION, and OWNER, the storage object that uses the database now. */
const STATE = "state";
const POSITION = "position";
const OWNER = "owner";
/** Messages by a growing number, so that they are read in the order they were saved. */
const MESSAGES = "messages";

/**
 * Keeps a client's place and its waiting messages in IndexedDB, so that they survive a reload. One database per account
 * and device:
 *
 * ```ts
 * import { IndexedDbStorage, PetrelClient } from "petrel";
 *
 * export function clientOf(account: string, device: string, token: string): PetrelClient {
 *   const storage = new IndexedDbStorage(`chat/${account}/${device}`);
 *   return new PetrelClient({ url: "wss://chat.example.com", token, device, storage });
 * }
 * ```
 *
 * Opened at the first use, and again when the browser closed it. The client that used it last has it: one that was
 * there before (the same device in another tab) fails with STORAGE_TAKEN from then on and disturbs nothing.
 * Every method rejects with an ImError: STORAGE_MISSING (no IndexedDB here), STORAGE_DENIED (a private window, blocked
 * site data), STORAGE_FULL, STORAGE_BLOCKED (another page holds an older version open), STORAGE_LOST (deleted while in
 * use; it is made anew), STORAGE_TAKEN, STORAGE_FAILED.
 */
export class IndexedDbStorage implements ClientStorage {
  readonly #name: string;
  readonly #databases: Databases | undefined;
  /** Told apart from every other storage object, also of other tabs. */
  readonly #me = idMaker(random)();
  #opening: Promise<Database> | undefined;
  /** Is OWNER ours? Then another name there is somebody who came later, and none means a new database. */
  #owned = false;

  /** `databases`: another IndexedDB than the browser's, for tests. */
  constructor(name: string, databases?: Databases) {
    this.#name = name;
    this.#databases = databases;
  }

  /** Opens it to see whether it can be used: rejects where a client would go on in memory. */
  static async open(name: string, databases?: Databases): Promise<IndexedDbStorage> {
    const storage = new IndexedDbStorage(name, databases);
    await storage.#open();
    return storage;
  }

  /** Deletes everything of that name, as for an account that signs out. */
  static async delete(name: string, databases?: Databases): Promise<void> {
    try {
      const request = (databases ?? ours()).deleteDatabase(name);
      await new Promise<void>((resolve, reject) => {
        request.addEventListener("success", () => resolve());
        request.addEventListener("error", () => reject(request.error));
        request.addEventListener("blocked", () => reject(blocked()));
      });
    } catch (thrown) {
      throw errorOf(thrown);
    }
  }

  async load(): Promise<Saved> {
    this.#owned = false;
    let position: Request<unknown> | undefined;
    let messages: Request<readonly unknown[]> | undefined;
    await this.#change((state, rows) => {
      position = state.get(POSITION);
      messages = rows.getAll();
    });
    const saved = (messages?.result ?? []).filter(isMessage).map((
      { id, dest, group, type, body, extra, createdMs },
    ) => (
      { id, dest, group, type, body, extra, createdMs }
    ));
    return isPosition(position?.result) ? { position: position.result, messages: saved } : { messages: saved };
  }

  savePosition(position: SavedPosition): Promise<void> {
    return this.#change((state) => void state.put(position, POSITION));
  }

  saveMessage(message: SavedMessage): Promise<void> {
    return this.#change((_, messages) => {
      const known = messages.index("id").getKey(message.id);
      known.addEventListener("success", () => {
        messages.put(known.result === undefined ? message : { ...message, order: known.result });
      });
    });
  }

  dropMessage(id: string): Promise<void> {
    return this.#change((_, messages) => {
      const known = messages.index("id").getKey(id);
      known.addEventListener("success", () => {
        if (typeof known.result === "number") messages.delete(known.result);
      });
    });
  }

  /** Closes the database. The next call opens it again. */
  async close(): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    await opening?.then((database) => database.close(), () => {}); // one that did not open needs no closing
  }

  /** One transaction, after it is known that the database is still ours. */
  async #change(change: (state: Store, messages: Store) => void): Promise<void> {
    let lost = false;
    let taken = false;
    try {
      const transaction = await this.#begin();
      const state = transaction.objectStore(STATE);
      const owner = state.get(OWNER);
      owner.addEventListener("success", () => {
        lost = this.#owned && owner.result === undefined;
        taken = this.#owned && !lost && owner.result !== this.#me;
        if (lost || taken) return;
        if (!this.#owned) state.put(this.#me, OWNER);
        change(state, transaction.objectStore(MESSAGES));
      });
      await ended(transaction);
    } catch (thrown) {
      throw errorOf(thrown);
    }
    if (taken) throw new ImError("STORAGE_TAKEN", "Cannot save: another client uses this storage now");
    this.#owned = !lost; // the next one makes it ours
    if (lost) throw new ImError("STORAGE_LOST", "Cannot save: the database was deleted");
  }

  async #begin(): Promise<Transaction> {
    const begin = (database: Database) => database.transaction([STATE, MESSAGES], "readwrite");
    const database = await this.#open();
    try {
      return begin(database);
    } catch (thrown) {
      // Closed by the browser, which need not have told it yet.
      if (nameOf(thrown) !== "InvalidStateError") throw thrown;
      this.#opening = undefined;
      return begin(await this.#open());
    }
  }

  #open(): Promise<Database> {
    if (this.#opening) return this.#opening;
    const opening: Promise<Database> = open(this.#name, this.#databases, () => {
      if (this.#opening === opening) this.#opening = undefined;
    });
    this.#opening = opening;
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = undefined;
    });
    return opening;
  }
}

/** `gone`: it is closed, because the browser did it or because somebody wants to delete it. */
async function open(name: string, databases: Databases | undefined, gone: () => void): Promise<Database> {
  try {
    const request = (databases ?? ours()).open(name, VERSION);
    let late = false;
    await new Promise<void>((resolve, reject) => {
      request.addEventListener("upgradeneeded", () => {
        request.result.createObjectStore(STATE);
        const messages = request.result.createObjectStore(MESSAGES, { keyPath: "order", autoIncrement: true });
        messages.createIndex("id", "id", { unique: true });
      });
      request.addEventListener("success", () => late ? request.result.close() : resolve());
      request.addEventListener("error", () => reject(request.error));
      request.addEventListener("blocked", () => {
        late = true;
        reject(blocked());
      });
    });
    const database = request.result;
    database.addEventListener("close", gone);
    database.addEventListener("versionchange", () => {
      database.close();
      gone();
    });
    return database;
  } catch (thrown) {
    // Browsers that forbid it in private windows say InvalidStateError or UnknownError here.
    throw errorOf(thrown, nameOf(thrown) === "InvalidStateError" ? "STORAGE_DENIED" : "STORAGE_FAILED");
  }
}

/** @throws {ImError} STORAGE_MISSING; where site data is blocked the browser throws a SecurityError. */
function ours(): Databases {
  const { indexedDB } = globalThis as { indexedDB?: Databases };
  if (!indexedDB) throw new ImError("STORAGE_MISSING", "Cannot open storage: there is no IndexedDB here");
  return indexedDB;
}

function ended(transaction: Transaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.addEventListener("complete", () => resolve());
    transaction.addEventListener("abort", () => reject(transaction.error));
  });
}

function blocked(): ImError {
  return new ImError("STORAGE_BLOCKED", "Cannot open storage: another page keeps it open");
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  QuotaExceededError: "STORAGE_FULL",
  SecurityError: "STORAGE_DENIED",
  NotAllowedError: "STORAGE_DENIED",
};

function errorOf(thrown: unknown, otherwise: ErrorCode = "STORAGE_FAILED"): ImError {
  if (thrown instanceof ImError) return thrown;
  const name = nameOf(thrown);
  return new ImError(CODES[name] ?? otherwise, `Cannot use storage: ${name}`, { cause: thrown });
}

/** The name of a DOMException. */
function nameOf(thrown: unknown): string {
  return thrown instanceof Error || thrown instanceof DOMException ? thrown.name : "no reason given";
}

function isPosition(value: unknown): value is SavedPosition {
  const { cursor, epoch, seen, groups = {}, sent = {} } = (value ?? {}) as Partial<SavedPosition>;
  return Number.isSafeInteger(cursor) && typeof epoch === "string" && Array.isArray(seen) &&
    seen.every((id) => /^\d{1,19}$/.test(id)) && Object.values(groups ?? {}).every(Number.isSafeInteger) &&
    Object.values(sent ?? {}).every((one) => Array.isArray(one) && one.every(Number.isSafeInteger));
}

function isMessage(value: unknown): value is SavedMessage {
  const { id, dest, group, type, body, extra, createdMs } = (value ?? {}) as Partial<SavedMessage>;
  return [id, dest, body, extra].every((one) => typeof one === "string") &&
    typeof group === "boolean" && typeof type === "number" && typeof createdMs === "number";
}
