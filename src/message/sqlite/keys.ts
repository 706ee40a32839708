import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../base/clock.ts";
import { ImError } from "../../base/errors.ts";
import { snowflakeAt, snowflakeMs } from "../../id/snowflake.ts";
import type { RequestKey } from "../message_store.ts";
import { REMEMBER_MOST, REMEMBER_MS, RequestKeys } from "../request_keys.ts";
import { type Kept, KeptKeys } from "./kept_keys.ts";
import type { Job, Write } from "./messages.ts";
import type { Op } from "./ops.ts";
import { big, int, NUMBER_COLUMNS, text } from "./rows.ts";
import { type Stored, storedOf } from "./stored.ts";

/** What a request made: a message, a group, or a change of members. */
export type Made = Stored | CreatedGroup | Exclude<Kept, "refused">;

/** The answer of a request that made a group. */
export interface CreatedGroup {
  readonly id: bigint;
  readonly group: string;
}

/** What became of the requests of the last minutes, by their keys: in memory, and read back at a start. */
export class Keys {
  readonly #db: DatabaseSync;
  readonly #clock: Clock;
  readonly #known = new RequestKeys<Made | "refused">();
  readonly #kept: KeptKeys;

  constructor(db: DatabaseSync, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
    this.#kept = new KeptKeys(db, REMEMBER_MS);
  }

  /** Requests that would be recognised if they came again. */
  get size(): number {
    return this.#known.size;
  }

  /** What that request made, or why nothing is made for it any more; undefined: it is new. hot: per message */
  find(key: RequestKey): Made | ImError | undefined {
    const known = this.#known.find(key);
    if (known === "refused") return new ImError("BUSY", "Cannot do this: the request was refused before");
    return known === "answered" ? answered(key) : known;
  }

  /** Was a message of that sender, with a later request of its scope, stored? */
  isOvertaken(key: RequestKey, sender: number): boolean {
    for (const made of this.#known.after(key)) {
      if (typeof made === "object" && "seq" in made && made.sender === sender) return true;
    }
    return false;
  }

  /** What it made has a row that names its key. @param jobMs monotonic. hot: per message */
  add(key: RequestKey | undefined, made: Stored | CreatedGroup, jobMs: number): void {
    if (key) this.#known.add(key, made, jobMs);
  }

  /** It changed members, or found them as it wants them: the next commit keeps its key. */
  changed(key: RequestKey | undefined, becameLarge: boolean): void {
    if (key) this.#keep(key, becameLarge ? "became large" : "changed");
  }

  /** A request that came again is refused: what comes under its key from now on is refused, too. */
  refuse(item: Write | Op): void {
    if (!("again" in item) || !item.again || !item.key || this.#known.find(item.key) !== undefined) return;
    this.#keep(item.key, "refused");
  }

  /** Is there something that the next commit has to keep? */
  get unsaved(): boolean {
    return this.#kept.unsaved;
  }

  /** In a transaction. Call `saved` once it is committed. */
  save(): void {
    this.#kept.save(this.#clock.now());
  }

  saved(): void {
    this.#kept.saved();
  }

  /** Takes back what a failed commit left in memory. @param durable the highest id that is certainly stored. */
  undo({ items }: Job, durable: bigint): void {
    for (const key of this.#kept.undo()) this.#known.forget(key);
    for (const item of items) {
      const key = "key" in item ? item.key : undefined, known = key && this.#known.find(key);
      if (key && typeof known === "object" && known.id > durable) this.#known.forget(key);
    }
  }

  /**
   * Reads back the keys of the last minutes before the newest message: a clock that is ahead after a restart must not make
   * them old.
   */
  load(newest: bigint): void {
    const db = this.#db;
    const untilMs = Math.min(this.#clock.now(), snowflakeMs(newest));
    const mono = this.#clock.mono(), from = snowflakeAt(untilMs - REMEMBER_MS);
    const messages = db.prepare(
      `SELECT * FROM (SELECT key_scope, key_n, ${NUMBER_COLUMNS} FROM messages WHERE id >= ? AND key_scope IS NOT NULL
         ORDER BY id DESC LIMIT ?) ORDER BY id`,
    );
    messages.setReadBigInts(true);
    for (const row of messages.iterate(from, REMEMBER_MOST)) {
      this.#known.add({ scope: text(row, "key_scope"), n: int(row, "key_n"), low: 0 }, storedOf(row), mono);
    }
    const groups = db.prepare(
      `SELECT key_scope, key_n, epoch, logs.name FROM groups JOIN logs ON logs.id = groups.id
       WHERE epoch >= ? AND key_scope IS NOT NULL ORDER BY groups.id DESC LIMIT ?`,
    );
    groups.setReadBigInts(true);
    for (const row of groups.iterate(from, REMEMBER_MOST)) {
      const group = { id: big(row, "epoch"), group: text(row, "name") };
      this.#known.add({ scope: text(row, "key_scope"), n: int(row, "key_n"), low: 0 }, group, mono);
    }
    for (const { key, answer } of this.#kept.load(untilMs, REMEMBER_MOST)) this.#known.add(key, answer, mono);
  }

  #keep(key: RequestKey, answer: Kept): void {
    this.#known.add(key, answer, this.#clock.mono());
    this.#kept.add(key, answer, this.#clock.now());
  }
}

/** The request had its answer, which is not known any more, or is of another kind. */
export function answered({ n }: RequestKey): ImError {
  return new ImError("SYSTEM", `Cannot do this: request ${n} of its channel has been answered`);
}
