import type { Upstash } from "../upstash/client.ts";
import { Script } from "../upstash/script.ts";
import { keyPart } from "../upstash/value.ts";
import type { Claim, Leases } from "./leases.ts";

/** KEYS lease. ARGV holder, ms. */
const CLAIM = new Script(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 'taken' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return holder and 'kept' or 'made'`);

/** KEYS lease. ARGV holder. */
const RELEASE = new Script(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`);

/** KEYS mark. ARGV number, ttl. Gives what it was. */
const RAISE = new Script(`
local before = redis.call('GET', KEYS[1]) or '0'
if tonumber(ARGV[1]) > tonumber(before) then redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) end
return before`);

const MARK_TTL_S = 30 * 86_400;

/** The key of a lease. Its value is the holder. */
export function leaseKey(prefix: string, name: string): string {
  return `${prefix}lease:${keyPart(name)}`;
}

/** Leases that all processes share, in a Redis behind Upstash's REST protocol. */
export class UpstashLeases implements Leases {
  readonly #upstash: Upstash;
  readonly #prefix: string;
  /** Leases of which the last claim's outcome is unknown: it may have made them anew. */
  readonly #doubtful = new Set<string>();

  constructor(upstash: Upstash, options: { readonly prefix?: string } = {}) {
    this.#upstash = upstash;
    this.#prefix = options.prefix ?? "petrel:";
  }

  async claim(name: string, holder: string, ttlMs: number): Promise<Claim> {
    const who = `${name} ${holder}`;
    try {
      const claim = await this.#upstash.ask<Claim>({
        what: "renew a lease",
        repeat: true,
        command: (attempt) => {
          if (attempt > 0) this.#doubtful.add(who);
          return { script: CLAIM, keys: [leaseKey(this.#prefix, name)], args: [holder, ttlMs] };
        },
        read: (result) => result === "kept" || result === "made" || result === "taken" ? result : undefined,
      });
      const doubtful = this.#doubtful.delete(who);
      return doubtful && claim === "kept" ? "made" : claim;
    } catch (thrown) {
      this.#doubtful.add(who);
      throw thrown;
    }
  }

  async release(name: string, holder: string): Promise<void> {
    this.#doubtful.delete(`${name} ${holder}`);
    await this.#upstash.ask({
      what: "give a lease back",
      repeat: true,
      command: () => ({ script: RELEASE, keys: [leaseKey(this.#prefix, name)], args: [holder] }),
      read: (result) => typeof result === "number" ? true : undefined,
    });
  }

  /** A number that only grows, kept for 30 days after it grew last: raises it, and gives what it was. */
  raise(name: string, to: number): Promise<number> {
    return this.#upstash.ask({
      what: "raise a mark",
      repeat: true,
      command: () => ({ script: RAISE, keys: [`${this.#prefix}mark:${keyPart(name)}`], args: [to, MARK_TTL_S] }),
      read: (result) => {
        const before = Number(result);
        return typeof result === "string" && Number.isSafeInteger(before) ? before : undefined;
      },
    });
  }
}
