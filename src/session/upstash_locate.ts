import type { Upstash } from "../upstash/client.ts";
import type { HeldLeases } from "./upstash_held.ts";
import { type DeviceEntry, entriesOf } from "./upstash_values.ts";

/** Accounts of one request. */
const MOST_KEYS = 1_000;
/** Accounts' strings that need not be read again. */
const MOST_READ = 20_000;

interface Batch {
  /** Key, then its place. */
  readonly keys: Map<string, number>;
  readonly values: Promise<readonly unknown[]>;
}

/** Looks up accounts' devices: look-ups that come until the next request is sent travel in it, each account once. */
export class Lookups {
  readonly #upstash: Upstash;
  readonly #held: HeldLeases;
  readonly #read = new Map<string, readonly DeviceEntry[]>();
  #next: Batch | undefined;

  constructor(upstash: Upstash, held: HeldLeases) {
    this.#upstash = upstash;
    this.#held = held;
  }

  /** The devices behind each key, whether they count or not. @throws {ImError} SYSTEM, BUSY */
  async find(keys: readonly string[]): Promise<(readonly DeviceEntry[])[]> {
    // hot: per message
    const batches: Batch[] = [];
    const places: number[] = [];
    for (const key of keys) {
      let batch = this.#next;
      if (!batch || (batch.keys.size >= MOST_KEYS && !batch.keys.has(key))) batch = this.#next = this.#open();
      let place = batch.keys.get(key);
      if (place === undefined) batch.keys.set(key, place = batch.keys.size);
      batches.push(batch);
      places.push(place);
    }
    const found: (readonly DeviceEntry[])[] = [];
    for (const [i, batch] of batches.entries()) found.push(this.#entries((await batch.values)[places[i]!]));
    return found;
  }

  #open(): Batch {
    const keys = new Map<string, number>();
    let count = 0;
    let leases: ReturnType<HeldLeases["refresh"]> | undefined;
    const values = this.#upstash.ask<readonly unknown[]>({
      what: "find sessions",
      repeat: true,
      command: () => {
        if (this.#next === batch) this.#next = undefined;
        leases?.tell(undefined);
        leases = this.#held.refresh();
        count = keys.size;
        return { mget: [...keys.keys(), ...leases.keys] };
      },
      read: (result) => {
        if (!Array.isArray(result) || result.length !== count + leases!.keys.length) return undefined;
        leases!.tell(result.slice(count));
        return result;
      },
    });
    const batch: Batch = { keys, values };
    values.catch(() => {
      leases?.tell(undefined);
      if (this.#next === batch) this.#next = undefined; // it was never sent
    });
    return batch;
  }

  #entries(value: unknown): readonly DeviceEntry[] {
    if (typeof value !== "string") return NONE;
    const known = this.#read.get(value);
    if (known) return known;
    const entries = entriesOf(value);
    if (this.#read.size >= MOST_READ) this.#read.clear();
    this.#read.set(value, entries);
    return entries;
  }
}

const NONE: readonly DeviceEntry[] = [];
