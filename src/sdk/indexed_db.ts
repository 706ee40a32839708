// What this SDK needs of IndexedDB, so that Bun, Deno and Node check it without browser types. Source: Indexed
// Database API 3.0. The browser's `indexedDB` is a `Databases`.

interface Target {
  addEventListener(type: string, listener: () => void): void;
}

export interface Request<Result> extends Target {
  readonly result: Result;
  readonly error: unknown;
}

export interface Store {
  get(key: string): Request<unknown>;
  getAll(): Request<readonly unknown[]>;
  put(value: unknown, key?: string): Request<unknown>;
  delete(key: number): Request<undefined>;
  index(name: string): { getKey(key: string): Request<unknown> };
  createIndex(name: string, keyPath: string, options: { readonly unique: boolean }): unknown;
}

export interface Transaction extends Target {
  readonly error: unknown;
  objectStore(name: string): Store;
}

export interface Database extends Target {
  createObjectStore(name: string, options?: { readonly keyPath: string; readonly autoIncrement: boolean }): Store;
  transaction(stores: string[], mode: "readwrite"): Transaction;
  close(): void;
}

/** An IndexedDB: the browser's, or one that behaves like it. */
export interface Databases {
  open(name: string, version: number): Request<Database>;
  deleteDatabase(name: string): Request<unknown>;
}
