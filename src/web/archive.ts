import type { ConversationKey } from "./conversation.ts";
import { type Entry, merged } from "./entry.ts";
import type { GroupFacts } from "./group_facts.ts";

/** What was kept of an account's messages. */
export interface Archived {
  readonly entries: readonly Entry[];
  /** The number up to which each conversation was read. */
  readonly read: readonly (readonly [ConversationKey, number])[];
  readonly groups: readonly GroupFacts[];
}

/** Keeps an account's messages in this browser; all tabs of the account share one. Every call may reject. */
export interface Archive {
  /** The newest messages, at most `MOST`; older ones are forgotten. */
  load(): Promise<Archived>;
  /** Resolves when it is kept. What is stored already stays so (`merged`). */
  put(...entries: Entry[]): Promise<void>;
  drop(key: string): Promise<void>;
  /** Only ever goes up. */
  read(key: ConversationKey, seq: number): Promise<void>;
  /** The newest word about a group counts. */
  group(facts: GroupFacts): Promise<void>;
}

/** A page for trying things out keeps so many messages of an account. */
export const MOST = 10_000;

/** Lives as long as the tab. */
export class MemoryArchive implements Archive {
  readonly #entries = new Map<string, Entry>();
  readonly #read = new Map<ConversationKey, number>();
  readonly #groups = new Map<ConversationKey, GroupFacts>();

  load(): Promise<Archived> {
    const [entries, groups] = [[...this.#entries.values()], [...this.#groups.values()]];
    return Promise.resolve({ entries, read: [...this.#read], groups });
  }

  put(...entries: Entry[]): Promise<void> {
    for (const entry of entries) this.#entries.set(entry.key, merged(this.#entries.get(entry.key), entry));
    return Promise.resolve();
  }

  drop(key: string): Promise<void> {
    this.#entries.delete(key);
    return Promise.resolve();
  }

  read(key: ConversationKey, seq: number): Promise<void> {
    this.#read.set(key, Math.max(seq, this.#read.get(key) ?? 0));
    return Promise.resolve();
  }

  group(facts: GroupFacts): Promise<void> {
    this.#groups.set(facts.key, facts);
    return Promise.resolve();
  }
}

/** Goes on without an archive once it fails: the page works, what comes from now on ends with the tab. */
export class ForgivingArchive implements Archive {
  readonly #failed: (thrown: unknown) => void;
  #archive: Archive | undefined;

  /** `failed` is told once. */
  constructor(archive: Archive, failed: (thrown: unknown) => void) {
    this.#archive = archive;
    this.#failed = failed;
  }

  async load(): Promise<Archived> {
    return await this.#try((archive) => archive.load()) ?? { entries: [], read: [], groups: [] };
  }

  async put(...entries: Entry[]): Promise<void> {
    await this.#try((archive) => archive.put(...entries));
  }

  async drop(key: string): Promise<void> {
    await this.#try((archive) => archive.drop(key));
  }

  async read(key: ConversationKey, seq: number): Promise<void> {
    await this.#try((archive) => archive.read(key, seq));
  }

  async group(facts: GroupFacts): Promise<void> {
    await this.#try((archive) => archive.group(facts));
  }

  async #try<T>(use: (archive: Archive) => Promise<T>): Promise<T | undefined> {
    const archive = this.#archive;
    if (!archive) return undefined;
    try {
      return await use(archive);
    } catch (thrown) {
      if (this.#archive) this.#failed(thrown);
      this.#archive = undefined;
      return undefined;
    }
  }
}
