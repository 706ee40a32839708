import type { Upstash } from "../upstash/client.ts";

/** Who holds a lease is remembered for so long, and asked again along with other questions from this age on. */
const FRESH_MS = 1_000, REFRESH_MS = 400;
/** Not asked about any more when nobody wanted to know for so long. */
const UNUSED_MS = 30_000;
/** So many are refreshed in one request. */
const MOST_REFRESHED = 200;

interface Known {
  held: boolean;
  /** Monotonic ms: when it was asked, not answered. */
  askedMs: number;
  usedMs: number;
  refreshing: boolean;
}

/**
 * Which gateways' leases are held. "Yes" is never older than a second; "no" is never older than the question, because a
 * gateway that has its lease again looks once what it missed, and relies on being found from then on.
 */
export class HeldLeases {
  readonly #upstash: Upstash;
  readonly #keyOf: (incarnation: string) => string;
  readonly #known = new Map<string, Known>();
  #asking: { readonly names: Set<string>; readonly done: Promise<void> } | undefined;

  /** @param keyOf the key of an incarnation's lease. */
  constructor(upstash: Upstash, keyOf: (incarnation: string) => string) {
    this.#upstash = upstash;
    this.#keyOf = keyOf;
  }

  /** undefined: not known now. Sessions without incarnation always count. @param sinceMs when it began to matter. */
  held(incarnation: string, sinceMs: number): boolean | undefined {
    // hot: per location
    if (incarnation === "") return true;
    const known = this.#known.get(incarnation);
    if (!known) return undefined;
    const nowMs = this.#upstash.clock.mono();
    known.usedMs = nowMs;
    if (!known.held) return known.askedMs >= sinceMs ? false : undefined;
    return nowMs - known.askedMs < FRESH_MS ? true : undefined;
  }

  /** Those that a request on its way may ask about too: their keys, and how to tell what came back. */
  refresh(): { readonly keys: readonly string[]; tell(values: readonly unknown[] | undefined): void } {
    const nowMs = this.#upstash.clock.mono();
    const names: string[] = [];
    for (const [name, known] of this.#known) {
      if (nowMs - known.usedMs > UNUSED_MS) this.#known.delete(name);
      else if (known.held && nowMs - known.askedMs <= REFRESH_MS) continue;
      else if (!known.refreshing && names.length < MOST_REFRESHED) {
        known.refreshing = true;
        names.push(name);
      }
    }
    return {
      keys: names.map(this.#keyOf),
      tell: (values) =>
        names.forEach((name, i) => {
          const known = this.#known.get(name);
          if (!known) return;
          known.refreshing = false;
          if (values && nowMs >= known.askedMs) {
            [known.held, known.askedMs] = [typeof values[i] === "string", nowMs];
          }
        }),
    };
  }

  /** Asks about those that are not known now. @throws {ImError} SYSTEM */
  async learn(incarnations: Iterable<string>, sinceMs: number): Promise<void> {
    const names = [...new Set(incarnations)].filter((name) => this.held(name, sinceMs) === undefined);
    const asking: Promise<void>[] = [];
    for (const name of names) {
      this.#asking ??= this.#ask();
      this.#asking.names.add(name);
      asking.push(this.#asking.done);
    }
    await Promise.all(asking);
  }

  /** One request for all that come until it is sent. */
  #ask() {
    const names = new Set<string>();
    let sent: readonly string[] = [];
    let askedMs = 0;
    const done = this.#upstash.ask<true>({
      what: "find sessions",
      repeat: true,
      command: () => {
        this.#asking = undefined;
        sent = [...names];
        askedMs = this.#upstash.clock.mono();
        return { mget: sent.map(this.#keyOf) };
      },
      read: (result) => {
        if (!Array.isArray(result) || result.length !== sent.length) return undefined;
        sent.forEach((name, i) => {
          const held = typeof result[i] === "string";
          this.#known.set(name, { held, askedMs, usedMs: askedMs, refreshing: false });
        });
        return true;
      },
    });
    const asking = { names, done: done.then(() => {}) };
    // Rejected before it was sent: the next one asks anew.
    done.catch(() => {
      if (this.#asking === asking) this.#asking = undefined;
    });
    return asking;
  }
}
