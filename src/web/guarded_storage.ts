import { type ClientStorage, ImError, type Saved, type SavedMessage, type SavedPosition } from "../sdk/mod.ts";

/**
 * The SDK's storage, as long as the page's archive works. A message that could not be archived is to come again after a
 * reload, so the place in the inbox must not move past it.
 */
export class GuardedStorage implements ClientStorage {
  readonly #storage: ClientStorage;
  readonly #archiveFailed: () => boolean;

  constructor(storage: ClientStorage, archiveFailed: () => boolean) {
    this.#storage = storage;
    this.#archiveFailed = archiveFailed;
  }

  load(): Promise<Saved> {
    return this.#storage.load();
  }

  savePosition(position: SavedPosition): Promise<void> {
    if (!this.#archiveFailed()) return this.#storage.savePosition(position);
    return Promise.reject(new ImError("STORAGE_FAILED", "Cannot save position: messages cannot be archived"));
  }

  async saveMessage(message: SavedMessage): Promise<void> {
    await this.#storage.saveMessage?.(message);
  }

  async dropMessage(id: string): Promise<void> {
    await this.#storage.dropMessage?.(id);
  }
}
