import { Backoff } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { type ErrorCode, ImError } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { ClientStorage, Saved, SavedMessage, SavedPosition } from "./storage.ts";

/** A storage that has not read what it has by then is not waited for. */
const LOAD_MS = 5_000;
/** A call that takes so long counts as failed. */
const SLOW_MS = 10_000;
/** Failures that trying again does not mend. */
const FINAL: ReadonlySet<ErrorCode> = new Set(["STORAGE_MISSING", "STORAGE_DENIED", "STORAGE_TAKEN"]);

/** What there is to keep, as of now. */
export interface Kept {
  /** Undefined: nothing is known yet. */
  position(): SavedPosition | undefined;
  /** In the order they were said. */
  messages(): readonly SavedMessage[];
}

/**
 * Keeps a storage up to date, one call at a time; positions that pile up meanwhile become one write.
 *
 *   working ──a call fails, or takes 10 s──► in memory: nothing is written, nothing is lost
 *      ▲                                        │ back-off
 *      └─── everything is written anew ◄────────┘   (never, when trying again cannot help)
 */
export class StorageKeeper {
  readonly #now: Kept;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #changed: (error: ImError | undefined) => void;
  readonly #backoff: Backoff;
  /** Ids the storage may hold. */
  readonly #held = new Set<string>();
  #storage: ClientStorage | undefined;
  #last: Promise<void> = Promise.resolve();
  #positionWaits = false;
  /** In memory, because of this. */
  #error: ImError | undefined;
  #failures = 0;
  #told: ImError | undefined;
  #retry: Timer | undefined;
  #closed: Promise<void> | undefined;

  /** `changed`: it failed, or (undefined) works again; once per change. */
  constructor(
    now: Kept,
    clock: Clock,
    random: () => number,
    log: Logger,
    changed: (error: ImError | undefined) => void,
  ) {
    this.#now = now;
    this.#clock = clock;
    this.#log = log;
    this.#changed = changed;
    this.#backoff = new Backoff(random, { baseMs: 1_000, maxMs: 60_000 });
  }

  /** Uses that one. Until then nothing is kept. */
  use(storage: ClientStorage): void {
    this.#storage = storage;
  }

  /** What an earlier run left; an empty object when that cannot be had within 5 s. */
  async load(): Promise<Saved> {
    const storage = this.#storage;
    if (!storage) return {};
    let saved: Saved = {};
    let late = false;
    const { promise, resolve } = Promise.withResolvers<void>();
    const limit = this.#clock.after(LOAD_MS, () => {
      late = true;
      this.#failed(new ImError("STORAGE_FAILED", "Cannot read storage: no answer in 5 s"));
      resolve();
    });
    this.#last = this.#last.then(() =>
      this.#call(async () => {
        const read = await storage.load();
        if (!late) saved = read;
      })
    );
    await Promise.race([this.#last, promise]);
    limit.stop();
    for (const { id } of saved.messages ?? []) this.#held.add(id);
    return saved;
  }

  /** The position changed. */
  position(): void {
    if (this.#positionWaits) return;
    this.#positionWaits = this.#run((storage) => {
      this.#positionWaits = false;
      const position = this.#now.position();
      return position && storage.savePosition(position);
    });
  }

  message(message: SavedMessage): void {
    this.#run((storage) => this.#save(storage, message));
  }

  drop(id: string): void {
    this.#run((storage) => this.#drop(storage, id));
  }

  /** Everything that is there now is written. */
  all(): void {
    this.#run((storage) => this.#writeAll(storage));
  }

  /**
   * Nothing more is asked for. A storage that failed is tried once more. Resolves when everything has been written, or
   * cannot be.
   */
  close(): Promise<void> {
    return this.#closed ??= this.#last.then(() => {
      if (this.#mayHelp()) this.#again();
      return this.#last;
    });
  }

  /** Tells whether it will run: not while in memory. */
  #run(write: (storage: ClientStorage) => Promise<void> | undefined): boolean {
    const storage = this.#storage;
    if (!storage || this.#error) return false;
    const failures = this.#failures;
    this.#last = this.#last.then(() => {
      // What waited when a call failed is in what is written anew, in its place there.
      const stale = this.#error !== undefined || failures !== this.#failures;
      return stale ? this.#skipped() : this.#call(() => write(storage));
    });
    return true;
  }

  #skipped(): void {
    this.#positionWaits = false;
  }

  async #call(write: () => Promise<void> | undefined): Promise<void> {
    const limit = this.#clock.after(SLOW_MS, () => {
      this.#failed(new ImError("STORAGE_FAILED", "Cannot use storage: no answer in 10 s"));
    });
    try {
      await write();
      if (!this.#error) this.#tell(undefined);
    } catch (thrown) {
      this.#failed(errorOf(thrown));
    }
    limit.stop();
    if (this.#error) this.#later();
  }

  #failed(error: ImError): void {
    this.#error = error;
    this.#failures++;
    this.#tell(error);
  }

  #tell(error: ImError | undefined): void {
    if (!error) this.#backoff.reset();
    if ((error === undefined) === (this.#told === undefined)) return;
    this.#told = error;
    if (error) this.#log.error("client storage failed", { error });
    else this.#log.info("client storage works again");
    this.#changed(error);
  }

  #later(): void {
    if (this.#closed || this.#retry || !this.#mayHelp()) return;
    this.#retry = this.#clock.after(this.#backoff.next(), () => this.#again());
  }

  /** Does it fail in a way that trying again may mend? */
  #mayHelp(): boolean {
    return this.#error !== undefined && !FINAL.has(this.#error.code);
  }

  #again(): void {
    this.#retry?.stop();
    this.#retry = this.#error = undefined; // what is asked for from here on comes behind
    this.all();
  }

  async #writeAll(storage: ClientStorage): Promise<void> {
    const messages = this.#now.messages();
    const waiting = new Set(messages.map(({ id }) => id));
    const position = this.#now.position();
    if (position) await storage.savePosition(position);
    for (const id of this.#held) if (!waiting.has(id)) await this.#drop(storage, id);
    for (const message of messages) await this.#save(storage, message);
  }

  #save(storage: ClientStorage, message: SavedMessage): Promise<void> | undefined {
    this.#held.add(message.id);
    return storage.saveMessage?.(message);
  }

  async #drop(storage: ClientStorage, id: string): Promise<void> {
    await storage.dropMessage?.(id);
    this.#held.delete(id);
  }
}

function errorOf(thrown: unknown): ImError {
  return thrown instanceof ImError
    ? thrown
    : new ImError("STORAGE_FAILED", "Cannot use storage: it failed", { cause: thrown });
}
