import { ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";

/** Where the client is in its account's inbox. */
export interface SavedPosition {
  /** Last inbox position whose handlers have run. */
  readonly cursor: number;
  /** The log that the position belongs to; "" when none is known. */
  readonly epoch: string;
  /** The last message ids handed over (decimal, oldest first), so that a log made anew repeats nothing. */
  readonly seen: readonly string[];
}

/** A message that waits for the server's answer. */
export interface SavedMessage {
  /** Client message id. */
  readonly id: string;
  readonly dest: string;
  readonly group: boolean;
  readonly type: number;
  readonly body: string;
  readonly extra: string;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
}

export interface Saved {
  readonly position?: SavedPosition;
  /** In the order they were said. */
  readonly messages?: readonly SavedMessage[];
}

/**
 * What a client keeps between runs; one storage belongs to one account on one device. Calls are made one after the
 * other, never overlapping. Without the two message methods, waiting messages end with the process.
 */
export interface ClientStorage {
  /** Everything that was saved; an empty object at first. */
  load(): Promise<Saved>;
  savePosition(position: SavedPosition): Promise<void>;
  saveMessage?(message: SavedMessage): Promise<void>;
  /** By client message id; unknown ids are fine. */
  dropMessage?(id: string): Promise<void>;
}

/** Keeps everything as long as the object lives: a new client that is given the same one goes on where the last stopped. */
export class MemoryStorage implements ClientStorage {
  #position: SavedPosition | undefined;
  readonly #messages = new Map<string, SavedMessage>();

  load(): Promise<Saved> {
    const messages = [...this.#messages.values()];
    return Promise.resolve(this.#position ? { position: this.#position, messages } : { messages });
  }

  savePosition(position: SavedPosition): Promise<void> {
    this.#position = position;
    return Promise.resolve();
  }

  saveMessage(message: SavedMessage): Promise<void> {
    this.#messages.set(message.id, message);
    return Promise.resolve();
  }

  dropMessage(id: string): Promise<void> {
    this.#messages.delete(id);
    return Promise.resolve();
  }
}

/** Writes to a storage one call at a time; positions that pile up meanwhile become one write. Failures are logged. */
export class StorageWriter {
  readonly #storage: ClientStorage;
  readonly #log: Logger;
  #last: Promise<void> = Promise.resolve();
  #positionWaits = false;

  constructor(storage: ClientStorage, log: Logger) {
    this.#storage = storage;
    this.#log = log;
  }

  /** `read` gives the position at the moment of writing. */
  position(read: () => SavedPosition): void {
    if (this.#positionWaits) return;
    this.#positionWaits = true;
    this.#run(() => {
      this.#positionWaits = false;
      return this.#storage.savePosition(read());
    });
  }

  message(message: SavedMessage): void {
    if (this.#storage.saveMessage) this.#run(() => this.#storage.saveMessage?.(message));
  }

  drop(id: string): void {
    if (this.#storage.dropMessage) this.#run(() => this.#storage.dropMessage?.(id));
  }

  /** Resolves when everything asked for until now has been written. */
  idle(): Promise<void> {
    return this.#last;
  }

  #run(write: () => Promise<void> | undefined): void {
    this.#last = this.#last.then(write).catch((thrown) => {
      // What is lost is comfort: after a restart some messages may come again, or a waiting one is not sent.
      this.#log.error("client storage failed", { error: ImError.from(thrown) });
    });
  }
}
