/** Where the client is in its account's inbox. */
export interface SavedPosition {
  /** Last inbox position whose handlers have run. */
  readonly cursor: number;
  /** The log that the position belongs to; "" when none is known. */
  readonly epoch: string;
  /** The last message ids handed over (decimal, oldest first), so that a log made anew repeats nothing. */
  readonly seen: readonly string[];
  /**
   * The seq of the last message handed over, by group id. A storage that leaves it out is one whose client meets the
   * messages of large groups anew.
   */
  readonly groups?: Readonly<Record<string, number>>;
  /**
   * Which messages of ours the server has answered: by the beginning of their client message ids, the numbers behind it
   * (from, to, from, to…). A storage that leaves it out is one whose next client may be handed some of them as `own`.
   */
  readonly sent?: Readonly<Record<string, readonly number[]>>;
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

/** What an earlier run left. */
export interface Saved {
  readonly position?: SavedPosition;
  /** In the order they were said. */
  readonly messages?: readonly SavedMessage[];
}

/**
 * What a client keeps between runs; one storage belongs to one account on one device, and to one client at a time.
 * Calls are made one after the other, never overlapping. One that rejects stops nothing: the client goes on in memory,
 * tells it (event "storage"), and writes everything anew when the storage works again. Without the two message methods,
 * waiting messages end with the process.
 */
export interface ClientStorage {
  /** Everything that was saved; an empty object at first. */
  load(): Promise<Saved>;
  savePosition(position: SavedPosition): Promise<void>;
  /** Behind those saved before; one that is there already keeps its place. */
  saveMessage?(message: SavedMessage): Promise<void>;
  /** By client message id; unknown ids are fine. */
  dropMessage?(id: string): Promise<void>;
}

/**
 * Keeps everything as long as the object lives: a new client that is given the same one goes on where the last stopped.
 *
 * ```ts
 * import { MemoryStorage, PetrelClient } from "petrel";
 *
 * const storage = new MemoryStorage();
 * export const open = (token: string) => new PetrelClient({ url: "wss://chat.example.com", token, storage });
 * ```
 */
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
